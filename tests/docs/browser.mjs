// Opens pages of the site in a browser, and reports their problems as JSON.
//
// Standard input: {"site": folder, "pages": [...], "terms": {term: page}, "shots": folder or null}.
// Standard output: a list of strings.
import { createServer } from "node:http";
import { readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import chromium from "@sparticuz/chromium";
import { chromium as playwright } from "playwright-core";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const SMALL = { width: 360, height: 740 };
const LARGE = { width: 1280, height: 900 };
const TYPES = {
  ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json",
  ".svg": "image/svg+xml", ".png": "image/png",
};

const job = JSON.parse(await text(process.stdin));
const problems = [];
const server = createServer(serve);
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const origin = `http://127.0.0.1:${server.address().port}`;
const browser = await playwright.launch({
  // Not the package's arguments: with them, the browser ends with its first page.
  args: ["--headless=shell", "--no-sandbox", "--no-zygote", "--disable-gpu"],
  executablePath: await chromium.executablePath(),
  headless: true,
});
try {
  const visited = new Map();
  for (const page of job.pages) visited.set(page, await visit(page));
  for (const [page, { links }] of visited) await follow(page, links, visited);
  if (Object.keys(job.terms).length) await search();
} finally {
  await browser.close();
  server.close();
}
console.log(JSON.stringify(problems));

async function text(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function serve(request, response) {
  let file = path.join(job.site, decodeURIComponent(new URL(request.url, "http://a").pathname));
  try {
    if ((await stat(file)).isDirectory()) file = path.join(file, "index.html");
    const body = await readFile(file);
    response.writeHead(200, { "content-type": TYPES[path.extname(file)] ?? "text/plain" });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
}

async function open(page, options) {
  const context = await browser.newContext(options);
  const tab = await context.newPage();
  tab.on("console", (m) => m.type() === "error" && problems.push(`${page}: console: ${m.text()}`));
  tab.on("pageerror", (error) => problems.push(`${page}: script: ${error.message}`));
  tab.on("response", (r) => r.status() >= 400 && problems.push(`${page}: ${r.status()} ${r.url()}`));
  tab.on("request", (request) => {
    const url = request.url();
    if (/^(https?|wss?):/.test(url) && !url.startsWith(origin)) {
      problems.push(`${page}: loads ${url}`);
    }
  });
  await tab.goto(`${origin}/${page}`, { waitUntil: "networkidle" });
  return tab;
}

async function visit(page) {
  const tab = await open(page, { viewport: LARGE, colorScheme: "light" });
  const diagrams = await tab.locator("pre.mermaid").count();
  if (diagrams) problems.push(`${page}: ${diagrams} diagrams are not drawn`);
  const found = await tab.evaluate(() => ({
    links: [...document.querySelectorAll("a[href]")].map((link) => link.href),
    ids: [...document.querySelectorAll("[id]")].map((element) => element.id),
    broken: [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src),
  }));
  for (const image of found.broken) problems.push(`${page}: no picture ${image}`);
  await accessible(tab, page, "light");
  await shot(tab, page, "light");
  await tab.context().close();
  const dark = await open(page, { viewport: LARGE, colorScheme: "dark" });
  await accessible(dark, page, "dark");
  await shot(dark, page, "dark");
  await dark.context().close();
  const small = await open(page, { viewport: SMALL, colorScheme: "light" });
  const width = await small.evaluate(() => document.documentElement.scrollWidth);
  if (width > SMALL.width) problems.push(`${page}: ${width} px wide on ${SMALL.width} px`);
  await shot(small, page, "small");
  await small.context().close();
  return found;
}

async function accessible(tab, page, view) {
  await tab.addScriptTag({ path: AXE });
  const { violations } = await tab.evaluate(() => axe.run({ resultTypes: ["violations"] }));
  for (const { id, nodes } of violations) {
    const places = nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message ?? ""}`);
    problems.push(`${page}: ${view}: axe ${id}: ${places.join("; ")}`);
  }
}

async function shot(tab, page, view) {
  if (!job.shots) return;
  const name = `${page.replaceAll("/", "-") || "index-"}${view}.png`;
  await tab.screenshot({ path: path.join(job.shots, name) });
}

/** Report links to pages or places that do not exist; `visited` has only the pages of the job. */
async function follow(page, links, visited) {
  for (const link of new Set(links)) {
    const url = new URL(link);
    if (url.origin !== origin) continue;
    const target = decodeURIComponent(url.pathname.slice(1));
    const anchor = decodeURIComponent(url.hash.slice(1));
    const place = visited.get(target);
    if (place && anchor && !place.ids.includes(anchor) && !anchor.startsWith("__")) {
      problems.push(`${page}: no place ${target}#${anchor}`);
    }
    if (!place && (await fetch(url)).status !== 200) problems.push(`${page}: no page ${target}`);
  }
}

async function search() {
  for (const [term, page] of Object.entries(job.terms)) {
    // For a second term, the theme shows the results of the first until it has the focus again.
    const tab = await open("", { viewport: LARGE });
    // The theme misses what is entered before it has started its worker.
    if (!tab.workers().length) await tab.waitForEvent("worker", { timeout: 600000 });
    await tab.locator("input.md-search__input").fill(term);
    const links = tab.locator("a.md-search-result__link");
    await links.first().waitFor({ state: "attached", timeout: 600000 });
    const all = await links.evaluateAll((each) => each.map((link) => link.getAttribute("href")));
    if (!all.some((link) => link.includes(page))) {
      problems.push(`search: ${term} does not find ${page}, but ${all}`);
    }
    await tab.context().close();
  }
}
