/** A React app over a store in memory: what it shows is the text of the page. */
import { createElement, useState } from "react";
import { createRoot } from "react-dom/client";
import { useStatus, useTable } from "../../src/client/react.js";
import type { SyncStatus } from "../../src/client/status.js";
import { memoryStore } from "../../src/client/stores/memory-store.js";
import type { StoreUnit } from "../../src/client/stores/store.js";

export interface ReactPage {
  apply(unit: StoreUnit): Promise<void>;
  status(state: "connecting" | "live"): void;
}

interface Product {
  readonly id: number;
  readonly name: string;
}

const store = memoryStore();
let status = statusOf("connecting");
const listeners = new Set<(status: SyncStatus) => void>();
const sync = {
  get status() {
    return status;
  },
  on: (_name: string, listener: (value: never) => void) => {
    listeners.add(listener as (value: SyncStatus) => void);
    return () => listeners.delete(listener as (value: SyncStatus) => void);
  },
} as Parameters<typeof useStatus>[0];

function statusOf(state: "connecting" | "live"): SyncStatus {
  return { connection: { state }, staleSources: new Map(), channels: new Map() };
}

function App() {
  const [from, setFrom] = useState(0);
  const { rows } = useTable<Product>(
    store,
    "products",
    (all) => all.where({ id: { gt: from } }).orderBy("name"),
    [from],
  );
  const { connection } = useStatus(sync);
  const names = rows?.map(({ name }) => name).join(" ") ?? "nothing yet";
  return createElement(
    "button",
    {
      onClick: () => {
        setFrom(1);
      },
    },
    `${connection.state}: ${names}`,
  );
}

const page: ReactPage = {
  apply: async (unit) => {
    await store.apply(unit);
  },
  status: (state) => {
    status = statusOf(state);
    for (const listener of listeners) listener(status);
  },
};

(globalThis as unknown as { page: ReactPage }).page = page;
const root = document.createElement("main");
document.body.append(root);
createRoot(root).render(createElement(App));
