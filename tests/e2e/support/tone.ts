/**
 * Tones: one channel of signed 16-bit samples.
 *
 * @module
 */

/** Samples of a second. */
export const RATE = 8000;

/** Words after pacat(1) and parec(1). */
export const TONE_FORMAT = ["--format=s16le", "--channels=1", `--rate=${RATE}`];

/**
 * Makes a tone.
 *
 * @param frequency Its frequency in hertz.
 * @param seconds How long it is.
 * @returns The samples.
 */
export function toneOf(
  frequency: number,
  seconds: number,
): Uint8Array<ArrayBuffer> {
  const samples = Int16Array.from(
    { length: RATE * seconds },
    (_, at) => 16000 * Math.sin(2 * Math.PI * frequency * at / RATE),
  );
  return new Uint8Array(samples.buffer);
}

/**
 * Finds the frequency of a tone among silence, by how often it goes up through
 * the middle.
 *
 * @param bytes The samples.
 * @returns The frequency in hertz; 0 if there is no second of a tone.
 */
export function frequencyOf(bytes: Uint8Array<ArrayBuffer>): number {
  const whole = bytes.slice(0, bytes.length & ~1);
  const samples = new Int16Array(whole.buffer);
  const first = samples.findIndex((sample) => Math.abs(sample) > 4000);
  const tone = first < 0 ? [] : samples.subarray(first, first + RATE);
  if (tone.length < RATE) return 0;
  let ups = 0;
  tone.forEach((sample, at) => {
    if (at > 0 && tone[at - 1] < 0 && sample >= 0) ups++;
  });
  return ups;
}
