/** What this process holds after a collection, in bytes: what the system lent it says little about that. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

export function memoryInUse(): NodeJS.MemoryUsage {
  collect();
  return process.memoryUsage();
}
