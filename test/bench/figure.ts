/** What every bench prints: one line of JSON, its figure beside a reference that was measured in the same run. */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";

/** Of `/proc/…/stat`: user and system time are counted in these (USER_HZ). */
const TICK_MS = 10;

export interface Figure {
  readonly bench: string;
  readonly figure: number;
  readonly unit: string;
  readonly reference: { readonly what: string; readonly figure: number };
  /** Higher is better: figure ÷ reference for speeds, reference ÷ figure for costs. */
  readonly ratio: number;
  /** Milliseconds, where it is a latency. */
  readonly p50?: number;
  readonly p99?: number;
  readonly cpuUsPerItem?: number;
  readonly rssAnonMb?: number;
  /** Where a bench measures several: `figure`, `reference` and `ratio` are then those of the lowest with a mark. */
  readonly variants?: readonly Variant[];
  /** What `--quick` made smaller. */
  readonly reduced?: string;
}

export interface Variant {
  readonly name: string;
  readonly figure: number;
  readonly reference: number;
  readonly ratio: number;
  /** The ratio to reach; absent where the variant is only reported. */
  readonly mark?: number;
}

export interface Bench {
  readonly name: string;
  run(isQuick: boolean): Promise<Figure>;
}

/** What a process has used up to now. */
export interface Usage {
  readonly cpuMs: number;
  readonly rssAnonMb: number;
  readonly rssAnonKb: number;
}

/** Of a process of this machine; Linux only. */
export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, "utf8");
  // The name, in parentheses, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const status = readFileSync(`/proc/${String(pid)}/status`, "utf8");
  const anonymous = Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0);
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
    rssAnonMb: Math.round(anonymous / 1024),
    rssAnonKb: anonymous,
  };
}

export function printed(figure: Figure): string {
  const { node } = process.versions;
  return JSON.stringify({ ...figure, node, cores: cpus().length });
}

/** The marked variant with the lowest ratio. */
export function lowest(variants: readonly Variant[]): Variant {
  const [first, ...rest] = variants.filter(({ mark }) => mark !== undefined);
  if (first === undefined) throw new Error("no variant has a mark");
  return rest.reduce((low, one) => (one.ratio < low.ratio ? one : low), first);
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

export function ratioOf(part: number, whole: number): number {
  return whole === 0 ? 0 : Number((part / whole).toFixed(3));
}
