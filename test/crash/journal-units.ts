/** The units of the journal's crash test, each made of its number alone, so that two processes agree on them. */
import type { BlockDraft, DraftEntry } from "../../src/journal/journal.js";
import { SeededRandom } from "../support/seeded-random.js";

export type CrashStep =
  | { readonly do: "put"; readonly id: number; readonly value: string; readonly channel: string }
  | { readonly do: "remove"; readonly id: number }
  | { readonly do: "truncate" };

/** Rows by id, as they are after a unit: what the channels must hold. */
export type CrashRows = Map<number, { readonly value: string; readonly channel: string }>;

export const STATE_CHANNELS = ["a", "b", "c"];
export const EVENTS_CHANNEL = "happened";

export const stockColumns = [
  { name: "key", type: "text" as const },
  { name: "value", type: "text" as const },
];
export const happenedColumns = [{ name: "unit", type: "int" as const }];

const IDS = 150;
const STEPS = 40;

/** The key of a document's row: of every other one it changes with the channel. */
export function rowKeyOf(id: number, channel: string): string {
  return id % 2 === 0 ? `"${id}"` : `"${id}${channel}"`;
}

/** What a client holds of a document. */
export function rowBodyOf(
  id: number,
  { channel, value }: { channel: string; value: string },
): string {
  return `${rowKeyOf(id, channel)},"${value}"`;
}

/** Whether the unit comes in parts, as a huge transaction does. */
export function isHuge(unit: number): boolean {
  return unit % 5 === 0;
}

export function crashSteps(unit: number): readonly CrashStep[] {
  const random = new SeededRandom(unit);
  const steps: CrashStep[] = [];
  if (unit % 13 === 0) steps.push({ do: "truncate" });
  for (let at = 0; at < STEPS; at += 1) {
    const id = random.below(IDS);
    const channel = STATE_CHANNELS[random.below(STATE_CHANNELS.length)] ?? "a";
    if (random.next() < 0.3) steps.push({ do: "remove", id });
    else steps.push({ do: "put", id, channel, value: `unit ${unit}, step ${at}` });
  }
  return steps;
}

/** What the rows are after the step. */
export function follow(rows: CrashRows, step: CrashStep): void {
  if (step.do === "truncate") rows.clear();
  else if (step.do === "remove") rows.delete(step.id);
  else rows.set(step.id, { value: step.value, channel: step.channel });
}

/** Puts the step into a draft as the pipeline would: membership from what the journal kept. */
export async function draftStep(draft: BlockDraft, step: CrashStep, schema: number): Promise<void> {
  if (step.do === "truncate") {
    await draft.truncate("stock", "stock", "stock", schema);
    return;
  }
  const document = { rule: "stock", relation: "stock", identity: `[${step.id}]` };
  await draft.prepare([document]);
  const old = draft.document(document);
  const before = old?.targets.map(({ channel }) => channel) ?? [];
  const to = step.do === "put" ? step.channel : undefined;
  const shared = { kind: "state", table: "stock", schema } as const;
  const oldKey = Buffer.from(old?.key ?? "");
  const entries: DraftEntry[] = before
    .filter((channel) => channel !== to)
    .map((channel) => ({ ...shared, channel, op: "d", body: oldKey }));
  if (step.do === "remove") {
    if (before.length > 0) draft.put({ document, state: null, entries });
    return;
  }
  const { id, channel } = step;
  const key = rowKeyOf(id, channel);
  const body = Buffer.from(rowBodyOf(id, step));
  entries.push({ ...shared, channel, op: before.includes(channel) ? "u" : "i", body });
  draft.put({
    document,
    entries,
    state: {
      ...{ body, key, table: "stock", schema, hidden: "", pending: "" },
      ...{ channels: [channel], leaf: "", copy: 1, ruleVersion: 1, parked: undefined },
    },
  });
}

/** One entry of the unit's number in the `events` channel. */
export function draftEvent(draft: BlockDraft, unit: number, schema: number): void {
  const body = Buffer.from(String(unit));
  const table = EVENTS_CHANNEL;
  draft.put({
    ...{ document: null, state: null, feeder: { rule: "happened", relation: "stock" } },
    entries: [{ channel: EVENTS_CHANNEL, kind: "events", op: "i", table, schema, body }],
  });
}
