/**
 * Which partitions a relation had when its documents were last looked at, durable as a fact. Rows come and go
 * with a partition without a change in the stream (I8): the difference says which documents have to go, and
 * whether the relation has to be copied again.
 */
import type { Partition } from "../connector/connector.js";

const PREFIX = "partitions/";

/** As the fact holds it: id and name of each. */
type PartitionRecord = readonly (readonly [id: string, leaf: string])[];

export interface PartitionDifference {
  /** The names of those that there are, where some went: documents of others are gone. */
  readonly remaining: ReadonlySet<string> | undefined;
  /** Rows may have come that nobody has told of: the relation is copied again. */
  readonly isUnknown: boolean;
}

export function partitionFact(source: string, relation: string): string {
  return `${PREFIX}${JSON.stringify([source, relation])}`;
}

export function partitionText(partitions: readonly Partition[]): string {
  const record: PartitionRecord = partitions.map(({ id, leaf }) => [id, leaf]);
  return JSON.stringify(record);
}

/** `before`: the fact; undefined where the relation was never looked at. */
export async function comparePartitions(
  before: string | undefined,
  now: readonly Partition[],
): Promise<PartitionDifference> {
  // All of it will be copied for the first time.
  if (before === undefined) return { remaining: undefined, isUnknown: false };
  const known = new Map(JSON.parse(before) as PartitionRecord);
  const there = new Map(now.map(({ id, leaf }) => [id, leaf]));
  const leaves = new Set(there.values());
  let hasGone = false;
  let isUnknown = false;
  for (const [id, leaf] of known) {
    if (there.get(id) === leaf) continue;
    // Another partition has its name, or it has another: names no longer tell whose documents are whose.
    if (there.has(id) || leaves.has(leaf)) isUnknown = true;
    else hasGone = true;
  }
  for (const partition of now) {
    if (isUnknown) break;
    if (!known.has(partition.id)) isUnknown = await partition.mayHaveBegunWithRows();
  }
  return { remaining: hasGone ? leaves : undefined, isUnknown };
}
