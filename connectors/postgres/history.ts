/**
 * Decides whether the stream that the slot offers continues what the journal holds. Pure. When it does
 * not, history is lost and a new generation begins: a hole must never pass for continuity (I7).
 */
import type { Proof } from "./history-proof.js";
import type { SourcePosition } from "../../src/model/position.js";
import { SeenTransactions } from "./seen-transactions.js";
import { lsnOf } from "./wal-position.js";

/** What is kept beside every position. */
export interface Memo {
  readonly system: string;
  readonly timeline: string;
  /** pg_publication.oid: a publication that was made anew has shown nothing in between. */
  readonly publication: string;
  /** Oids of the tables that were published and read. */
  readonly tables: readonly string[];
  /** Transactions that were read and that no snapshot had shown. */
  readonly unseen?: readonly number[];
  /** As `SeenTransactions.beyond`. */
  readonly beyond?: number;
}

export interface SlotFacts {
  /** Undefined when it was invalidated. */
  readonly confirmed: bigint | undefined;
  /** Why it can't be read any more. */
  readonly fault: string | undefined;
}

export interface HistoryFacts {
  readonly memo: Memo;
  /** Where the log stands now. */
  readonly head: bigint;
  /** As it was found, before anything was created; undefined when there was none. */
  readonly slot: SlotFacts | undefined;
  /** Tables that were not published when we came. */
  readonly unpublished: readonly string[];
}

/** `replace`: the slot must be created anew. */
export type Verdict =
  | { readonly kind: "first"; readonly replace: boolean }
  | { readonly kind: "continues"; readonly proof: Proof | undefined }
  | { readonly kind: "lost"; readonly why: string; readonly replace: boolean };

export function judgeHistory(resume: SourcePosition | undefined, facts: HistoryFacts): Verdict {
  const { slot, head } = facts;
  const replace = slot === undefined || slot.fault !== undefined;
  if (resume === undefined) return { kind: "first", replace };
  const known = parseMemo(resume.memo);
  const changed = known === undefined ? undefined : changeSince(known, facts);
  if (changed !== undefined)
    return { kind: "lost", ...changed, replace: changed.replace || replace };
  if (slot === undefined) return { kind: "lost", why: "the slot is gone", replace };
  if (slot.fault !== undefined) return { kind: "lost", why: slot.fault, replace };
  const position = resume.position === "" ? 0n : lsnOf(resume.position);
  const confirmed = slot.confirmed ?? 0n;
  if (confirmed > position) {
    return { kind: "lost", why: "the slot stands behind what was read", replace: false };
  }
  if (head < position) {
    const why = "the database stands before what was read: it was restored to an earlier moment";
    return { kind: "lost", why, replace: false };
  }
  return { kind: "continues", proof: proofOf(resume.mark, position, confirmed) };
}

export function memoText(memo: Memo): string {
  return JSON.stringify(memo);
}

export function seenOf(resume: SourcePosition): SeenTransactions {
  const { unseen = [], beyond } = parseMemo(resume.memo) ?? {};
  return new SeenTransactions(unseen, beyond);
}

/** Oids of the tables that were read up to the position. */
export function tablesOf(resume: SourcePosition): readonly string[] {
  return parseMemo(resume.memo)?.tables ?? [];
}

export const restoredWhy =
  "the stream shows other commits than were read: the database was restored to an earlier moment";

function changeSince(
  known: Memo,
  { memo, unpublished }: HistoryFacts,
): { readonly why: string; readonly replace: boolean } | undefined {
  if (known.system !== memo.system) {
    return { why: "it is another database cluster", replace: false };
  }
  if (known.timeline !== memo.timeline) {
    const timelines = `timeline ${memo.timeline}, it was on ${known.timeline}`;
    const why = `the server is on ${timelines} (restore or failover)`;
    return { why, replace: false };
  }
  if (known.publication !== memo.publication) {
    return { why: "the publication was dropped or made anew", replace: true };
  }
  const dropped = unpublished.find((oid) => known.tables.includes(oid));
  if (dropped !== undefined) {
    return { why: `a table (oid ${dropped}) was out of the publication meanwhile`, replace: false };
  }
  return undefined;
}

function parseMemo(text: string): Memo | undefined {
  return text === "" ? undefined : (JSON.parse(text) as Memo);
}

/** Undefined: the slot stands where we do, and shows nothing again. */
function proofOf(mark: string, until: bigint, confirmed: bigint): Proof | undefined {
  if (confirmed >= until) return undefined;
  const [position] = mark.split("-");
  const commitLsn = mark === "" || position === undefined ? 0n : lsnOf(position);
  return { mark, commitLsn, isOffered: mark !== "" && confirmed <= commitLsn, until };
}
