/**
 * A real Chromium with a fresh profile, and pages of this machine's loopback for it. A browser that is not
 * there fails the test with what to install: a skip would prove nothing.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, delimiter, join, resolve } from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { bundle, SQLITE_PATH } from "./bundle.js";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const FLAGS = [
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];
const START_MS = 60_000;
const SQLITE_FILES = ["index.mjs", "sqlite3.wasm"].map((name) => `${SQLITE_PATH}${name}`);

const PAGE_SCRIPT = "/app.js";
/** The packages of this checkout, also where this file is a built one. */
const packages = `${resolve(import.meta.dirname, "../..").replace(/\/dist$/, "")}/node_modules`;

/** Scripts of a server by path; its pages run `/app.js`. */
export type Scripts = Readonly<Record<string, string>>;

export class PageServer {
  readonly scripts: Scripts;
  readonly #server: Server;

  private constructor(scripts: Scripts) {
    this.scripts = scripts;
    this.#server = createServer((request, response) => {
      const path = new URL(request.url ?? "/", "http://localhost").pathname;
      const script = this.scripts[path];
      if (script !== undefined) {
        response.setHeader("Content-Type", "text/javascript").end(script);
      } else if (path === "/") {
        response.setHeader("Content-Type", "text/html");
        const tag = `<script type=module src="${PAGE_SCRIPT}"></script>`;
        response.end(`<!doctype html><meta charset=utf-8><title>test</title>${tag}`);
      } else if (SQLITE_FILES.includes(path)) {
        const type = path.endsWith(".wasm") ? "application/wasm" : "text/javascript";
        const file = `${packages}/@sqlite.org/sqlite-wasm/dist/${basename(path)}`;
        response.setHeader("Content-Type", type).end(readFileSync(file));
      } else {
        response.writeHead(404).end();
      }
    });
  }

  static async start(scripts: Scripts): Promise<PageServer> {
    const pages = new PageServer(scripts);
    await new Promise<void>((resolve, reject) => {
      pages.#server.once("error", reject);
      pages.#server.listen(0, "127.0.0.1", resolve);
    });
    return pages;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/`;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }
}

export class Browser {
  readonly context: BrowserContext;
  readonly pages: PageServer;
  /** What scripts of its pages threw and nobody caught. */
  readonly errors: Error[] = [];
  readonly #profile: string;
  readonly #origins: PageServer[] = [];

  private constructor(context: BrowserContext, pages: PageServer, profile: string) {
    this.context = context;
    this.pages = pages;
    this.#profile = profile;
  }

  /** A browser for pages that run the bundle of `entry`, and those of workers by the path they start them by. */
  static async start(
    entry: string,
    workers: Readonly<Record<string, string>> = {},
  ): Promise<Browser> {
    const executablePath = findChromium();
    const scripts: Record<string, string> = {};
    for (const [path, from] of Object.entries({ ...workers, [PAGE_SCRIPT]: entry })) {
      scripts[path] = (await bundle(from)).code;
    }
    const pages = await PageServer.start(scripts);
    const profile = mkdtempSync(join(tmpdir(), "changecast-browser-"));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath,
      headless: true,
      args: FLAGS,
      timeout: START_MS,
    });
    return new Browser(context, pages, profile);
  }

  /** The same pages under another origin, whose storage is its own. */
  async anotherOrigin(): Promise<PageServer> {
    const pages = await PageServer.start(this.pages.scripts);
    this.#origins.push(pages);
    return pages;
  }

  /** A new tab whose scripts have run. */
  async open(query = "", pages = this.pages): Promise<Page> {
    const page = await this.context.newPage();
    page.on("pageerror", (error) => {
      this.errors.push(error);
    });
    await page.goto(`${pages.url}${query}`, { waitUntil: "load" });
    return page;
  }

  async close(): Promise<void> {
    await this.context.close();
    for (const pages of [this.pages, ...this.#origins]) await pages.close();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** `CHANGECAST_CHROMIUM`, or the first of the usual names on the PATH. */
function findChromium(): string {
  const given = process.env["CHANGECAST_CHROMIUM"];
  if (given !== undefined) {
    if (existsSync(given)) return given;
    throw new Error(`CHANGECAST_CHROMIUM names ${given}, which does not exist`);
  }
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    for (const name of NAMES) {
      const path = join(folder, name);
      if (existsSync(path)) return path;
    }
  }
  throw new Error(
    "this test needs Chromium: install it (Debian: apt-get install chromium), or name it in CHANGECAST_CHROMIUM",
  );
}
