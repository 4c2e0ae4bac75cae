/**
 * Named failpoints: "Class.method" with a moment and a count. A process of a test puts one into the methods of
 * the real classes before it starts them, so the program itself carries nothing for it. `in` kills in the next
 * turn of the loop, while what the method began (a flush, a write to a socket) is still under way. `late` does
 * not kill: every call answers so many milliseconds later, as on a slow disk.
 */
export const MOMENTS = ["before", "in", "after"] as const;

export interface KillPoint {
  /** `Class.method`, of what the process offers. */
  readonly point: string;
  readonly moment: (typeof MOMENTS)[number] | "late";
  /** Which call of it kills, from 1; for `late` the milliseconds. */
  readonly count: number;
}

/** By name: objects, or the prototypes of classes. */
export type KillTargets = Readonly<Record<string, object>>;

type Method = (this: unknown, ...given: unknown[]) => unknown;

/** As one argument of a command line; "" for none. */
export function killPointText(kill: KillPoint | undefined): string {
  return kill === undefined ? "" : `${kill.point} ${kill.moment} ${String(kill.count)}`;
}

export function readKillPoint(text: string): KillPoint | undefined {
  if (text === "") return undefined;
  const [point = "", word = "", count = ""] = text.split(" ");
  const moment = [...MOMENTS, "late" as const].find((each) => each === word);
  if (moment === undefined || !(Number(count) >= 1)) throw new Error(`no kill point: ${text}`);
  return { point, moment, count: Number(count) };
}

/** Puts the kill into the named method. */
export function killAt(targets: KillTargets, kill: KillPoint | undefined): void {
  if (kill === undefined) return;
  const { point, moment, count } = kill;
  const [name = "", method = ""] = point.split(".");
  const target = targets[name] as Record<string, Method | undefined> | undefined;
  const whole = target?.[method];
  if (target === undefined || whole === undefined) throw new Error(`no method ${point}`);
  let left = count;
  target[method] = function (...given) {
    if (moment === "late") return later(whole.apply(this, given), count);
    left -= 1;
    if (left === 0 && moment === "before") die();
    const result = whole.apply(this, given);
    if (left !== 0) return result;
    if (moment === "in") {
      setImmediate(die);
      return result;
    }
    if (!(result instanceof Promise)) die();
    return result.then(die);
  };
}

async function later(result: unknown, ms: number): Promise<unknown> {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return result;
}

function die(): never {
  process.kill(process.pid, "SIGKILL");
  throw new Error("killed");
}
