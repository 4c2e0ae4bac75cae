/** The demo's page: an app of the client like any other, with a window on what it does. */
import { changecast } from "@changecast/client";
import type { SyncStatus } from "@changecast/client/status";
import { indexedDbStore } from "@changecast/client/stores/indexeddb-store";
import { table } from "@changecast/client/table";
import { syncTabs } from "@changecast/client/tabs";
import { LatencyPlot } from "./latency-plot.js";
import { killConnections, type SeenFrame, SpySocket, watchFrames } from "./spy-socket.js";

interface Product {
  readonly id: number;
  readonly store_id: number;
  readonly name: string;
  readonly quantity: number;
  readonly price: string;
  readonly updated_at: string;
}

interface Store {
  readonly id: number;
  readonly name: string;
}

/** What the demo tells its page; it is written beside it. */
interface DemoFacts {
  /** The demo's own API, which writes to the database. */
  readonly api: string;
}

const STORES = [1, 2] as const;
const ROWS_SHOWN = 12;
const FRAMES_SHOWN = 60;
/** The client asks a platform that says "offline" again after 30 s. */
const STAY_OFFLINE_MS = 20_000;
/** A row that is older came with the first content. */
const FRESH_MS = 60_000;

const { api } = (await (await fetch("./demo.json")).json()) as DemoFacts;
const store = await indexedDbStore("changecast-demo", {
  indexes: { products: ["store_id"] },
});
const cast = changecast({
  url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1`,
  WebSocket: SpySocket,
});
const sync = syncTabs(cast, store, ["stores", ...STORES.map((id) => `store:${id}`)]);
const plot = new LatencyPlot(svg("plot"), element("latency"));
/** The `updated_at` that each product was shown with. */
const seen = new Map<number, string>();
let offline: ReturnType<typeof setInterval> | undefined;

watchFrames(showFrame);
sync.on("status", showStatus);
setInterval(() => {
  showStatus(sync.status);
}, 1_000);
for (const id of STORES) showStore(id);
table<Store>(store, "stores").live((stores) => {
  for (const { id, name } of stores) {
    if ((STORES as readonly number[]).includes(id)) element(`name-${id}`).textContent = name;
  }
});
element("offline").addEventListener("click", toggleOffline);
element("kill").addEventListener("click", killConnections);
element("change").addEventListener("click", () => write("change"));
element("move").addEventListener("click", () => write("move"));

function showStore(id: number): void {
  table<Product>(store, "products")
    .where({ store_id: id })
    .orderBy("updated_at", "desc")
    .live((products) => {
      const stock = products.reduce((sum, { quantity }) => sum + quantity, 0);
      element(`sum-${id}`).textContent = `${products.length} products, ${stock} pieces in stock`;
      element(`rows-${id}`).replaceChildren(...products.slice(0, ROWS_SHOWN).map(productRow));
      for (const product of products) note(product);
    });
}

function productRow(product: Product): HTMLElement {
  const row = document.createElement("tr");
  const before = seen.get(product.id);
  const isFresh = before !== undefined || Date.now() - Date.parse(product.updated_at) < FRESH_MS;
  if (isFresh && before !== product.updated_at) row.className = "came";
  for (const text of [product.name, String(product.quantity), product.price]) {
    const cell = document.createElement("td");
    cell.textContent = text;
    row.append(cell);
  }
  return row;
}

/** A product of this update is on the screen for the first time. */
function note({ id, updated_at: updatedAt }: Product): void {
  const before = seen.get(id);
  seen.set(id, updatedAt);
  if (before === undefined || before === updatedAt || offline !== undefined) return;
  const latencyMs = Date.now() - Date.parse(updatedAt);
  if (latencyMs >= 0 && latencyMs < FRESH_MS) plot.add(latencyMs);
}

function showStatus({ connection, channels, trouble }: SyncStatus): void {
  const state = element("state");
  const isWhole = [...channels.values()].every((channel) => channel.state === "live");
  state.textContent = connection.state === "live" && !isWhole ? "catching up" : connection.state;
  state.dataset["state"] = connection.state;
  element("role").textContent = sync.leads ? "this tab leads" : "another tab leads";
  button("offline").disabled = !sync.leads;
  button("kill").disabled = !sync.leads;
  const advice = [];
  if (connection.state === "waiting") advice.push(connection.message);
  if (connection.state === "refused") advice.push(connection.message, connection.cure);
  if (trouble !== undefined) advice.push(trouble.message, trouble.cure);
  const since = [...channels.values()].flatMap(({ staleSince }) => staleSince ?? []);
  if (since.length > 0) {
    const seconds = Math.round((Date.now() - Math.min(...since)) / 1_000);
    advice.push(`what is shown is ${seconds} s old`);
  }
  element("advice").textContent = advice.join(" · ");
  element("wire-note").textContent = sync.leads
    ? "Frames of this tab’s connection, the newest first."
    : "This tab has no connection: the one that leads tells it what changed.";
}

function showFrame({ isSent, kind, what }: SeenFrame): void {
  const wire = element("wire");
  const item = document.createElement("li");
  const arrow = document.createElement("span");
  arrow.textContent = isSent ? "↑" : "↓";
  arrow.className = isSent ? "sent" : "heard";
  arrow.title = isSent ? "sent" : "received";
  const name = document.createElement("b");
  name.textContent = kind;
  const text = document.createElement("span");
  text.className = "what";
  text.textContent = what;
  item.append(arrow, name, text);
  wire.prepend(item);
  while (wire.childElementCount > FRAMES_SHOWN) wire.lastElementChild?.remove();
}

/** As the browser says it when the network goes: the client believes the page. */
function toggleOffline(): void {
  if (offline === undefined) {
    const say = (): void => {
      dispatchEvent(new Event("offline"));
    };
    say();
    offline = setInterval(say, STAY_OFFLINE_MS);
  } else {
    clearInterval(offline);
    offline = undefined;
    dispatchEvent(new Event("online"));
  }
  button("offline").setAttribute("aria-pressed", String(offline !== undefined));
  button("offline").textContent = offline === undefined ? "Go offline" : "Go online";
}

/** The app's own write: it answers with the position, and the sync says when that has arrived. */
function write(what: "change" | "move"): void {
  const began = performance.now();
  const told = element("told");
  told.textContent = "writing …";
  fetch(`${api}/${what}`, { method: "POST" })
    .then((answer) => answer.json() as Promise<{ text: string; position: string }>)
    .then(async ({ text, position }) => {
      told.textContent = `${text}: written, not here yet`;
      await sync.until("shop", position);
      told.textContent = `${text}: here after ${(performance.now() - began).toFixed(0)} ms`;
    })
    .catch((error: unknown) => {
      told.textContent = `not written: ${error instanceof Error ? error.message : String(error)}`;
    });
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

function button(id: string): HTMLButtonElement {
  return element(id) as HTMLButtonElement;
}

function svg(id: string): SVGElement {
  return element(id) as unknown as SVGElement;
}
