/**
 * Loads what is needed of JSR, which shows whether it can be reached.
 *
 * @module
 */

import "@std/assert";
import "@std/cli/parse-args";
import "@std/fs";
import "@std/path";
import "@std/testing/bdd";
