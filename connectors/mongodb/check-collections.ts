/** What `check` says about single collections: those that cannot be watched, and what rules can expect of the others. */
import type { Problem } from "../../src/model/problem.js";
import type { ListedCollection, WatchedCollection } from "./collections.js";

/** A view or a time series has no change stream of its own. */
export function unfitProblem(name: string, kind: string, isNamed: boolean): Problem {
  const what = kind === "timeseries" ? "a time series" : kind === "view" ? "a view" : `a ${kind}`;
  return {
    code: "MONGODB_COLLECTION_UNFIT",
    level: isNamed ? "error" : "warning",
    message: `${name} is ${what}, which has no change stream`,
    cure: "Name the collection that the documents are written to, or one that they are also written to.",
  };
}

/** Membership is kept here, so deletes and moves need no pre-images: the notes say how each is done. */
export function collectionNotes(
  { relation: { name }, reading }: WatchedCollection,
  listed: ListedCollection | undefined,
): readonly string[] {
  const notes: string[] = [];
  if (listed === undefined)
    notes.push(`${name} does not exist yet; it is watched from its first document on`);
  notes.push(
    `${name}: deletes reach every channel that the document was in, by its _id; pre-images are not needed`,
  );
  const updates = {
    expanded: "updates inside fields are applied as the server describes them",
    nested: "updates inside fields are applied as if no key held a dot (updates: nested)",
    none: "documents with updates inside fields are read again, as of that moment (updates: refetch)",
  }[reading];
  const images =
    "documents with updates inside fields come as post-images; where one is missing, the document is read again";
  notes.push(`${name}: ${listed?.hasImages === true ? images : updates}`);
  if (listed?.isCapped === true) {
    notes.push(
      `${name} is capped: documents that it pushes out are deleted on clients too (servers since 5.0)`,
    );
  }
  return notes;
}
