/** Whether the stream can go on where the journal stands, and what the connector keeps beside a position for that. */
import { createHash } from "node:crypto";
import type { Document } from "mongodb";
import type { Problem } from "../../src/model/problem.js";
import type { SourcePosition } from "../../src/model/position.js";
import type { StreamStart } from "./server-cursor.js";
import {
  placeOf,
  timeBefore,
  timestampAfter,
  timestampOf,
  type ClusterTime,
} from "./stream-position.js";

export interface Memo {
  /** Of the stages behind `$changeStream`: a token is good for one filter only (M-5). */
  readonly filter: string;
  readonly setName: string;
  /** Relations with documents that run ahead of the stream, or that are to be copied again. */
  readonly ahead: readonly string[];
}

export function memoText(memo: Memo): string {
  return JSON.stringify(memo);
}

export function memoOf({ memo }: SourcePosition): Memo {
  const known = memo === "" ? {} : (JSON.parse(memo) as Partial<Memo>);
  return { filter: known.filter ?? "", setName: known.setName ?? "", ahead: known.ahead ?? [] };
}

export function filterHash(stages: readonly Document[]): string {
  return createHash("sha256").update(JSON.stringify(stages)).digest("base64url").slice(0, 16);
}

/** Where to go on, or why there is no going on. */
export function judgeHistory(
  resume: SourcePosition,
  now: Pick<Memo, "filter" | "setName"> & { readonly head: ClusterTime },
): { readonly start: StreamStart } | { readonly lost: string } {
  const memo = memoOf(resume);
  const { time, isTimeOver, token } = placeOf(resume.position);
  if (memo.setName !== "" && memo.setName !== now.setName) {
    return { lost: `the replica set is ${now.setName}, and was ${memo.setName}` };
  }
  if (isBefore(now.head, time)) {
    return { lost: "the deployment's newest operation is older than what was read before" };
  }
  if (token !== undefined && (memo.filter === "" || memo.filter === now.filter)) {
    return { start: { startAfter: { _data: token } } };
  }
  const from = isTimeOver ? timestampAfter(time) : timestampOf(time);
  return { start: { startAtOperationTime: from } };
}

/** The place of a stream that has shown nothing yet is the moment after the newest operation. */
export function isBefore(head: ClusterTime, time: ClusterTime): boolean {
  return head < timeBefore(time);
}

export function historyLost(source: string, why: string): Problem {
  return {
    code: "MONGODB_HISTORY_LOST",
    level: "warning",
    message: `the history of ${source} is not the one that was read before: ${why}`,
    cure: "Nothing: its collections are copied again. A larger oplog keeps more (replSetResizeOplog).",
  };
}
