/**
 * A client of the convergence test in a browser: an origin of its own with one tab or two, which crash,
 * reload, come, close, and lose the network. What its pages see they tell at once, so that nothing of it goes
 * with a tab.
 */
import { setTimeout } from "node:timers/promises";
import type { Page } from "playwright-core";
import type { Gap } from "../../src/client/feed-sink.js";
import type { BankPage, BankRow, BankWord } from "../browser/bank-page.js";
import { type BankDevice, type DeviceOptions, VIOLATIONS_MAX } from "./bank-device.js";
import { MONEY_TOTAL } from "./bank-workload.js";
import type { Browser, PageServer } from "./browser.js";
import type { StoredEvent } from "./convergence-compare.js";
import { columnsOf, moneyChannels, rowLine } from "./convergence-rules.js";
import { PATIENCE_MS } from "./patience.js";
import { pause } from "./postgres-machine.js";
import type { SeededRandom } from "./seeded-random.js";
import { TcpProxy } from "./tcp-proxy.js";

export type PageStoreKind = "indexeddb" | "sqlite";

const TABS_MAX = 2;
const OFFLINE_MS_MAX = 400;
const OFFLINE = { offline: true, latency: 0, downloadThroughput: -1, uploadThroughput: -1 };

/** The clients of one browser. */
export class PageDevices {
  readonly browser: Browser;
  readonly #byOrigin = new Map<string, PageDevice>();

  private constructor(browser: Browser) {
    this.browser = browser;
  }

  static async of(browser: Browser): Promise<PageDevices> {
    const devices = new PageDevices(browser);
    await browser.context.exposeBinding("tell", ({ page }, word: BankWord, text: string) => {
      devices.#byOrigin.get(new URL(page.url()).origin)?.heard(word, text);
    });
    return devices;
  }

  async create(options: DeviceOptions, kind: PageStoreKind): Promise<PageDevice> {
    const proxy = await TcpProxy.start({ host: "127.0.0.1", port: options.port });
    return new PageDevice(this, options, { kind, proxy });
  }

  /** Where this client's pages are from now on, with nothing stored. */
  async newOrigin(device: PageDevice): Promise<PageServer> {
    const pages = await this.browser.anotherOrigin();
    this.#byOrigin.set(new URL(pages.url).origin, device);
    return pages;
  }
}

export class PageDevice implements BankDevice {
  readonly name: string;
  readonly channels: Set<string>;
  readonly violations: string[] = [];
  readonly gaps: Gap[] = [];
  counted = 0;
  readonly #devices: PageDevices;
  readonly #kind: PageStoreKind;
  readonly #proxy: TcpProxy;
  #origin: PageServer | undefined;
  #tabs: Page[] = [];
  #isContentWhole = false;

  constructor(
    devices: PageDevices,
    { name, channels }: DeviceOptions,
    { kind, proxy }: { readonly kind: PageStoreKind; readonly proxy: TcpProxy },
  ) {
    this.name = `${name} (${kind})`;
    this.channels = new Set(channels);
    this.#devices = devices;
    this.#kind = kind;
    this.#proxy = proxy;
  }

  heard(word: BankWord, text: string): void {
    if (word === "counted") this.counted += 1;
    else if (word === "gap") this.gaps.push({ channel: text, from: 0, to: 0 });
    else if (this.violations.length < VIOLATIONS_MAX) this.violations.push(`${this.name}: ${text}`);
  }

  get isHere(): boolean {
    return this.#tabs.length > 0;
  }

  contentIsWhole(): void {
    this.#isContentWhole = true;
    for (const tab of this.#tabs) call(tab, "look").catch(() => undefined);
  }

  async arrive(): Promise<void> {
    if (!this.isHere) await this.#open();
  }

  async vanish(): Promise<void> {
    const tabs = this.#tabs;
    this.#tabs = [];
    for (const tab of tabs) await tab.close();
  }

  async forget(): Promise<void> {
    await this.vanish();
    this.#origin = undefined;
  }

  cut(): void {
    this.#proxy.cut();
  }

  async mend(): Promise<void> {
    this.#proxy.mend();
    for (const tab of this.#tabs) await call(tab, "reconnect");
  }

  async toggle(channel: string): Promise<void> {
    const isThere = this.channels.delete(channel);
    if (!isThere) this.channels.add(channel);
    for (const tab of this.#tabs) await call(tab, isThere ? "detach" : "attach", channel);
  }

  async disturb(random: SeededRandom): Promise<string> {
    await this.arrive();
    const tab = random.pick(this.#tabs);
    if (tab === undefined) return "nothing";
    switch (random.below(5)) {
      case 0:
        await this.#crash(tab);
        return "tab crashes";
      case 1:
        await this.#reload(tab);
        return "tab reloads";
      case 2:
        await this.#goOffline(random.below(OFFLINE_MS_MAX));
        return "offline";
      case 3:
        if (this.#tabs.length < TABS_MAX) {
          await this.#open();
          return "another tab";
        }
        this.#tabs = this.#tabs.filter((one) => one !== tab);
        await tab.close();
        return "tab closes";
      default:
        return "rests";
    }
  }

  /** Tables may still be copied, beside writers that never rest: on a slow machine each chunk waits for the stream. */
  async live(): Promise<void> {
    await within(2 * PATIENCE_MS, call(this.#tab, "live"));
  }

  async until(position: string, ms: number): Promise<void> {
    await within(ms, Promise.all(this.#tabs.map((tab) => call(tab, "until", position))));
  }

  async rows(table: string): Promise<readonly string[]> {
    const names = columnsOf(table);
    const rows = await call(this.#tab, "rows", table);
    return rows.map((row) => rowLine(names.map((name) => [name, asText(row[name])]))).sort();
  }

  async events(table: string): Promise<readonly StoredEvent[]> {
    const rows = await call(this.#tab, "rows", table);
    return rows
      .map((row: BankRow) => {
        const { serial, op, id } = row;
        return { serial: Number(serial), op: String(op), id: Number(id), row };
      })
      .sort((a, b) => a.serial - b.serial);
  }

  async statusText(): Promise<string> {
    const texts = this.#tabs.map((tab) => call(tab, "status").catch(String));
    return [`${this.name}:`, ...(await Promise.all(texts))].join("\n    ");
  }

  async close(): Promise<void> {
    await this.vanish();
    await this.#proxy.close();
  }

  get #tab(): Page {
    const [tab] = this.#tabs;
    if (tab === undefined) throw new Error(`${this.name} is away`);
    return tab;
  }

  /** Of the page, with the channels that its app wants now. */
  get #query(): string {
    const asked = new URLSearchParams({
      url: `ws://127.0.0.1:${String(this.#proxy.port)}/v1`,
      store: this.#kind,
      channels: [...this.channels].join(","),
      money: moneyChannels.join(","),
      cents: `${String(MONEY_TOTAL)}00`,
      look: this.#isContentWhole ? "yes" : "no",
    });
    return `?${asked.toString()}`;
  }

  /** With the channels of now: with those of its first address it would leave one that came since as it is. */
  async #reload(tab: Page): Promise<void> {
    await tab.goto(new URL(this.#query, tab.url()).href, { waitUntil: "load" });
    await isBegun(tab);
  }

  async #open(): Promise<void> {
    this.#origin ??= await this.#devices.newOrigin(this);
    const tab = await this.#devices.browser.open(this.#query, this.#origin);
    await isBegun(tab);
    this.#tabs.push(tab);
    // Tabs of one machine may share a process, which goes for all of them.
    tab.once("crash", () => {
      this.#tabs = this.#tabs.filter((one) => one !== tab);
    });
  }

  /** In the middle of whatever it does. Somebody opens the app again. */
  async #crash(tab: Page): Promise<void> {
    const debug = await this.#devices.browser.context.newCDPSession(tab);
    this.#tabs = this.#tabs.filter((one) => one !== tab);
    const crashed = new Promise((resolve) => tab.once("crash", resolve));
    // The page never answers.
    debug.send("Page.crash").catch(() => undefined);
    await crashed;
    await this.arrive();
  }

  /** The browser says so to its pages, and nothing comes through. */
  async #goOffline(ms: number): Promise<void> {
    this.#proxy.cut();
    // A session that is detached takes its conditions along.
    const sessions = await Promise.all(
      this.#tabs.map((tab) => this.#devices.browser.context.newCDPSession(tab)),
    );
    for (const debug of sessions) {
      await debug.send("Network.emulateNetworkConditions", OFFLINE);
    }
    await pause(ms);
    this.#proxy.mend();
    for (const debug of sessions) await debug.detach();
  }
}

/** A tab that hangs would say nothing of why. */
async function within(ms: number, done: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  const late = setTimeout(ms, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`not within ${String(ms)} ms`);
  });
  try {
    await Promise.race([done, late]);
  } finally {
    timer.abort();
    late.catch(() => undefined);
  }
}

async function isBegun(tab: Page): Promise<void> {
  await tab.waitForFunction(() => "page" in globalThis);
}

function call<Name extends keyof BankPage>(
  tab: Page,
  name: Name,
  argument = "",
): Promise<Awaited<ReturnType<BankPage[Name]>>> {
  const run = ([called, given]: readonly string[]): unknown => {
    const { page } = globalThis as unknown as { page: Record<string, unknown> };
    return (page[called ?? ""] as (value?: string) => unknown)(given);
  };
  return tab.evaluate(run, [name, argument]) as Promise<Awaited<ReturnType<BankPage[Name]>>>;
}

/** Lists as SQLite has them. */
function asText(value: unknown): unknown {
  return Array.isArray(value) ? JSON.stringify(value) : value;
}
