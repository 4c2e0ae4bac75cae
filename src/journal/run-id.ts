/** Names a start of the writer. */
import type { Random } from "../base/clock.js";

const PARTS = 4;
const PART_RANGE = 2 ** 32;

/** 128 random bits as 32 hexadecimal digits. */
export function newRun(random: Random): string {
  let id = "";
  for (let at = 0; at < PARTS; at++) {
    id += Math.floor(random.next() * PART_RANGE)
      .toString(16)
      .padStart(8, "0");
  }
  return id;
}
