/** Hooks for React 18 and later. Rows and status come as values that change when there is something to show. */
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { NaturalRow } from "./stores/natural-rows.js";
import type { SyncStatus } from "./status.js";
import type { Sync } from "./sync.js";
import { type Query, type Readable, table } from "./table.js";

export interface TableResult<Row> {
  /** Undefined until the first read: show nothing, or what was there before. */
  readonly rows: readonly Row[] | undefined;
  /** What the last read failed with. */
  readonly error: unknown;
}

const NOTHING = { rows: undefined, error: undefined };

/**
 * The rows of a query, read again after each transaction that changes the table, and new where they differ:
 * `useTable(store, "products", (all) => all.where({ shop }).orderBy("name"), [shop])`. `refine` is called
 * again when one of `using` has changed, which therefore lists what it uses, as for `useMemo`.
 */
export function useTable<Row extends object = NaturalRow>(
  store: Readable,
  name: string,
  refine?: (all: Query<Row>) => Query<Row>,
  using: readonly unknown[] = [],
): TableResult<Row> {
  const refined = useRef(refine);
  refined.current = refine;
  const query = useMemo(() => {
    const all = table<Row>(store, name);
    return refined.current === undefined ? all : refined.current(all);
  }, [store, name, ...using]);
  const [result, setResult] = useState<TableResult<Row>>(NOTHING);
  useEffect(
    () =>
      query.live(
        (rows) => {
          setResult({ rows, error: undefined });
        },
        (error) => {
          setResult(({ rows }) => ({ rows, error }));
        },
      ),
    [query],
  );
  return result;
}

/** The sync's status, anew whenever it changes. */
export function useStatus(sync: Pick<Sync, "status" | "on">): SyncStatus {
  const source = useMemo(() => {
    let status = sync.status;
    return {
      status: () => status,
      subscribe: (changed: () => void) => {
        // It may have changed between the first look and now.
        status = sync.status;
        return sync.on("status", (next) => {
          status = next;
          changed();
        });
      },
    };
  }, [sync]);
  return useSyncExternalStore(source.subscribe, source.status, source.status);
}
