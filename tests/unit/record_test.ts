import { assertEquals } from "@std/assert";
import { parseRecord, recordText } from "../../src/record.ts";

const RECORD = { uid: 1000, privileged: false, noNewPrivs: true };

Deno.test("parseRecord() reads what recordText() wrote", () => {
  for (const uid of [0, 1000, 4294967294]) {
    for (const privileged of [true, false]) {
      const record = { ...RECORD, uid, privileged };
      assertEquals(parseRecord(recordText(record)), record);
    }
  }
});

Deno.test("parseRecord() takes nothing that is not a whole record", () => {
  const texts = [
    "",
    "17\n",
    "null",
    "{}",
    '{"uid":"0","privileged":false,"noNewPrivs":false}',
    '{"uid":0.5,"privileged":false,"noNewPrivs":false}',
    '{"uid":0,"privileged":false}',
    recordText(RECORD).slice(0, -3),
  ];
  for (const text of texts) assertEquals(parseRecord(text), undefined, text);
});
