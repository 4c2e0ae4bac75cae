/** The one text form of a document's key, used as key of maps and, with long identities shortened, of rows. */
import { assert } from "../base/assert.js";
import type { DocumentKey } from "../model/document.js";

/** `rule NUL relation NUL identity`. An identity is JSON text, so it holds no NUL itself. */
export type DocId = string;

/** `rule NUL relation NUL table`: who feeds a table. */
export type FeedId = string;

export function docIdOf(key: DocumentKey): DocId {
  return `${key.rule}\0${key.relation}\0${key.identity}`;
}

export function docKeyOf(id: DocId): DocumentKey {
  const first = id.indexOf("\0");
  const second = id.indexOf("\0", first + 1);
  assert(first >= 0 && second > first, () => `no document key: ${JSON.stringify(id)}`);
  return {
    rule: id.slice(0, first),
    relation: id.slice(first + 1, second),
    identity: id.slice(second + 1),
  };
}

/** What the ids of all documents of a rule, or of one relation under it, begin with. */
export function docPrefix(rule: string, relation?: string): string {
  return relation === undefined ? `${rule}\0` : `${rule}\0${relation}\0`;
}

export function prefixOfDoc(id: DocId): string {
  return id.slice(0, id.indexOf("\0", id.indexOf("\0") + 1) + 1);
}

export function feedIdOf(rule: string, relation: string, table: string): FeedId {
  return `${rule}\0${relation}\0${table}`;
}

export function feedTable(feed: FeedId): string {
  return feed.slice(feed.lastIndexOf("\0") + 1);
}
