/**
 * Where a relation's rows came from when its documents were last looked at, durable as a fact. Rows come and
 * go with a table or a partition without a change in the stream (I8): the difference says which documents
 * have to go, and whether the relation has to be copied again.
 */
import type { Origin } from "../connector/connector.js";

const PREFIX = "origin/";

/** As the fact holds it. */
interface OriginRecord {
  readonly id: string;
  /** Null: they are not told. */
  readonly partitions: readonly (readonly [id: string, leaf: string])[] | null;
}

export interface OriginDifference {
  /** The names of the partitions that there are, where some went: documents of others are gone. */
  readonly remaining: ReadonlySet<string> | undefined;
  /** Rows may have come or gone that nobody has told of: the relation is copied again. */
  readonly isUnknown: boolean;
}

export function originFact(source: string, relation: string): string {
  return `${PREFIX}${JSON.stringify([source, relation])}`;
}

export function originText({ id, partitions }: Origin): string {
  const record: OriginRecord = {
    id,
    partitions: partitions?.map((each): [string, string] => [each.id, each.leaf]) ?? null,
  };
  return JSON.stringify(record);
}

/** `before`: the fact; undefined where the relation was never looked at. */
export async function compareOrigins(
  before: string | undefined,
  now: Origin,
): Promise<OriginDifference> {
  // All of it will be copied for the first time.
  if (before === undefined) return { remaining: undefined, isUnknown: false };
  const record = JSON.parse(before) as OriginRecord;
  const { partitions } = now;
  if (record.id !== now.id) return { remaining: undefined, isUnknown: true };
  if (record.partitions === null || partitions === undefined) {
    return { remaining: undefined, isUnknown: false };
  }
  const known = new Map(record.partitions);
  const there = new Map(partitions.map(({ id, leaf }) => [id, leaf]));
  const leaves = new Set(there.values());
  let hasGone = false;
  let isUnknown = false;
  for (const [id, leaf] of known) {
    if (there.get(id) === leaf) continue;
    // Another partition has its name, or it has another: names no longer tell whose documents are whose.
    if (there.has(id) || leaves.has(leaf)) isUnknown = true;
    else hasGone = true;
  }
  for (const partition of partitions) {
    if (isUnknown) break;
    if (!known.has(partition.id)) isUnknown = await partition.mayHaveBegunWithRows();
  }
  return { remaining: hasGone ? leaves : undefined, isUnknown };
}
