/**
 * Which rules the journal knows, and in which version. A rule that became another hides what it showed
 * before (I8): its relations are copied again, and clients get the difference.
 */
import type { JournalWriter } from "../journal/journal.js";
import type { ChannelKind } from "../model/table.js";
import type { Rule } from "../rules/rule.js";
import { pairFacts, parsePair, stalePair } from "./pair.js";

const PREFIX = "rule/";

/** As the fact holds it. */
interface RuleRecord {
  readonly fingerprint: string;
  readonly version: number;
  readonly source: string;
  readonly kind: ChannelKind;
}

export interface GoneRule {
  readonly name: string;
  readonly kind: ChannelKind;
  /** Facts that go with it. */
  readonly facts: readonly string[];
}

export interface RuleVersions {
  readonly versions: ReadonlyMap<string, number>;
  /** Rules that the journal knows and the configuration does not: their documents have to go. */
  readonly gone: readonly GoneRule[];
}

/** Journals what changed since the last start. To be called before anything else is appended. */
export async function beginRules(
  journal: JournalWriter,
  rules: readonly Rule[],
): Promise<RuleVersions> {
  const versions = new Map<string, number>();
  const facts = new Map<string, string>();
  const hiding = new Map<string, number>();
  for (const rule of rules) {
    const before = recordOf(journal, rule.name);
    const isSame = before?.fingerprint === rule.fingerprint && before.source === rule.source;
    const version = isSame ? before.version : (before?.version ?? 0) + 1;
    versions.set(rule.name, version);
    if (isSame) continue;
    const { fingerprint, source, kind } = rule;
    facts.set(PREFIX + rule.name, JSON.stringify({ fingerprint, version, source, kind }));
    if (before?.kind === "state") hiding.set(rule.name, version);
    for (const name of journal.factNames(pairFacts(rule.name))) {
      const record = parsePair(journal.fact(name) ?? "");
      facts.set(name, JSON.stringify(stalePair(record, "rederiving")));
    }
  }
  if (facts.size > 0) {
    await journal.append(journal.block(), { positions: new Map(), facts, hiding });
  }
  return { versions, gone: goneRules(journal, versions) };
}

function goneRules(journal: JournalWriter, known: ReadonlyMap<string, number>): GoneRule[] {
  const gone: GoneRule[] = [];
  for (const fact of journal.factNames(PREFIX)) {
    const name = fact.slice(PREFIX.length);
    const record = recordOf(journal, name);
    if (record === undefined || known.has(name)) continue;
    gone.push({ name, kind: record.kind, facts: [fact, ...journal.factNames(pairFacts(name))] });
  }
  return gone;
}

function recordOf(journal: JournalWriter, rule: string): RuleRecord | undefined {
  const text = journal.fact(PREFIX + rule);
  return text === undefined ? undefined : (JSON.parse(text) as RuleRecord);
}
