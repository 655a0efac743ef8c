#!/usr/bin/env python3
"""The report opened in headless Chromium: at a phone's and a desktop's size, light and dark.

report_browser_test.py WRITE_REPORT [FOLDER]: writes reports of example runs and opens each at all four settings. No error
in the console, no request for anything but the page, nothing wider than the screen, no text clipped, over another or with
too little contrast. With FOLDER the pictures are kept there. Exits with 77 when there is no browser, with 1 then under
TOME_REQUIRE_BROWSER=1.
"""

import base64
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from devtools import Browser, browser_path

SIZES = {"phone": (360, 800), "desktop": (1280, 900)}
SCHEMES = ["light", "dark"]
REPORTS = ["one", "several", "hostile", "large", "empty"]

# What is wrong with the page, as a list of sentences; tables are opened first.
PROBLEMS = r"""
(() => {
  const problems = [], most = 12;
  const say = (what) => { if (problems.length < most) problems.push(what); };
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  // Not innerWidth: a phone zooms out until a page that is too wide fits.
  const screen = SCREEN_WIDTH, root = document.documentElement;
  if (root.scrollWidth > screen) say(`the page is ${root.scrollWidth} wide, the screen ${screen}`);
  const shown = (one) => one.getClientRects().length > 0;
  const name = (one) => JSON.stringify(one.textContent.trim().slice(0, 40));

  // Every text of a plot inside its picture, and none over another.
  let plots = 0;
  for (const svg of document.querySelectorAll("svg")) {
    if (!shown(svg)) continue;
    ++plots;
    const whole = svg.getBoundingClientRect();
    const box = svg.viewBox.baseVal, scale = whole.width / box.width;
    const texts = [...svg.querySelectorAll("text")].map((one) => [one, one.getBoundingClientRect()]);
    texts.sort((a, b) => a[1].top - b[1].top);
    texts.forEach(([one, place], at) => {
      if (place.left < whole.left - 1 || place.right > whole.right + 1 || place.top < whole.top - 1 || place.bottom > whole.bottom + 1)
        say(`text ${name(one)} of a plot reaches beyond it`);
      const size = parseFloat(getComputedStyle(one).fontSize) * scale;
      if (size < 10) say(`text ${name(one)} of a plot is ${size} px high`);
      for (let next = at + 1; next < texts.length && texts[next][1].top < place.bottom - 2; ++next) {
        const [other, there] = texts[next];
        if (there.left < place.right - 1 && place.left < there.right - 1 && there.bottom > place.top + 2)
          say(`text ${name(one)} of a plot lies over ${name(other)}`);
      }
    });
    for (const shape of svg.querySelectorAll("circle,rect,polygon,polyline,line")) {
      const place = shape.getBoundingClientRect();
      if (place.left < whole.left - 2 || place.right > whole.right + 2 || place.bottom > whole.bottom + 2) {
        say(`a ${shape.tagName} of class ${shape.getAttribute("class")} reaches beyond its plot`);
        break;
      }
    }
  }

  // Other text: not cut off, and inside the screen unless what holds it scrolls.
  for (const one of document.querySelectorAll("body *:not(svg):not(svg *)")) {
    if (!shown(one)) continue;
    const style = getComputedStyle(one);
    if (style.overflowX === "hidden" && one.scrollWidth > one.clientWidth + 1) say(`${one.tagName} ${name(one)} is cut off`);
    if (style.textOverflow === "ellipsis") say(`${one.tagName} ${name(one)} may be cut off`);
    const place = one.getBoundingClientRect();
    if (place.right > screen + 1 && !one.closest(".scroll")) say(`${one.tagName} ${name(one)} reaches ${place.right}`);
  }

  // WCAG 2.1: 4.5 between a text and what it stands on.
  const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\d.]+/g).map(Number);
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  };
  const under = (one) => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (!/^rgba\(.*, 0\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  for (const one of document.querySelectorAll("h1,h2,h3,p,li,dt,dd,th,td,summary,a,text")) {
    if (!shown(one)) continue;
    let colour = getComputedStyle(one).color, ground;
    if (one.tagName === "text") {
      colour = getComputedStyle(one).fill;
      const cell = one.previousElementSibling;
      if (one.closest("g") && cell && cell.tagName === "rect") ground = getComputedStyle(cell).fill;
    }
    const found = contrast(colour, ground || under(one));
    if (found < 4.5) say(`text ${name(one)} has a contrast of ${found.toFixed(2)}`);
  }
  return {problems, plots, tables: document.querySelectorAll("figure table").length,
          figures: document.querySelectorAll("figure").length, ground: luminance(under(document.body)),
          scripts: document.querySelectorAll("script").length, alerted: window.alerted === true};
})()
"""

BAD_EVENTS = {"Runtime.exceptionThrown", "Page.javascriptDialogOpening", "Runtime.consoleAPICalled", "Log.entryAdded"}


def picture(browser, path):
    metrics = browser.call("Page.getLayoutMetrics")["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": metrics["width"], "height": min(metrics["height"], 16000), "scale": 1}
    data = browser.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)["data"]
    path.write_bytes(base64.b64decode(data))


def problems_of_events(events, address):
    for event in events:
        method, facts = event.get("method"), event.get("params", {})
        if method in BAD_EVENTS:
            yield f"{method}: {str(facts)[:300]}"
        if method == "Network.requestWillBeSent" and facts["request"]["url"] != address:
            yield f"asks for {facts['request']['url'][:200]}"


def check(browser, report, size, scheme, pictures):
    """Opens the report; yields what is wrong."""
    width, height = SIZES[size]
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=size == "phone")
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.events.clear()
    address = (report / "report.html").as_uri()
    browser.call("Page.navigate", url=address)
    browser.wait_for("Page.loadEventFired")
    if pictures and report.name != "large":
        picture(browser, pictures / f"{report.name}-{size}-{scheme}.png")
    found = browser.evaluate(PROBLEMS.replace("SCREEN_WIDTH", str(width)))
    if pictures and report.name == "one":
        picture(browser, pictures / f"{report.name}-open-{size}-{scheme}.png")
    yield from found["problems"]
    yield from problems_of_events(browser.events, address)
    if (found["ground"] < 0.2) != (scheme == "dark"):
        yield f"the background has a luminance of {found['ground']}"
    if found["scripts"] or found["alerted"]:
        yield "there is a script in the page"
    if found["plots"] != found["figures"] or found["tables"] != found["figures"]:
        yield f"{found['figures']} figures, {found['plots']} plots and {found['tables']} tables"
    if found["figures"] == 0 and report.name != "empty":
        yield "no figures"


def check_plots(browser, report):
    """Each SVG file opens by itself: well-formed, its text inside, on a background of its own."""
    for file in sorted(report.glob("*.svg")):
        browser.events.clear()
        browser.call("Page.navigate", url=file.as_uri())
        browser.wait_for("Page.loadEventFired")
        found = browser.evaluate(r"""(() => {
          const whole = document.documentElement.getBoundingClientRect();
          const out = [...document.querySelectorAll("text")].filter((one) => {
            const place = one.getBoundingClientRect();
            return place.left < whole.left || place.right > whole.right + 1 || place.bottom > whole.bottom + 1;
          }).map((one) => one.textContent.slice(0, 40));
          const paper = document.querySelector(".paper");
          return {out, root: document.documentElement.tagName, paper: paper ? getComputedStyle(paper).fill : null,
                  error: document.querySelector("parsererror") !== null};
        })()""")
        if found["root"] != "svg" or found["error"]:
            yield f"{file.name} is not well-formed"
        elif found["out"] or found["paper"] != "rgb(255, 255, 255)":
            yield f"{file.name}: outside: {found['out'][:3]}, background {found['paper']}"


def check_all(browser, folder, writer, pictures):
    count, failures = 0, []
    for domain in ("Page", "Runtime", "Log", "Network"):
        browser.call(domain + ".enable")
    for name in REPORTS:
        report = folder / name
        report.mkdir()
        subprocess.run([writer, name, str(report)], check=True)
        for size in SIZES:
            # The colours of a page of thousands of cells are those of the others.
            for scheme in SCHEMES[:1] if name == "large" else SCHEMES:
                started = time.monotonic()
                wrong = [f"{name}, {size}, {scheme}: {problem}" for problem in check(browser, report, size, scheme, pictures)]
                print(f"{name}, {size}, {scheme}: {len(wrong) or 'no'} problems ({time.monotonic() - started:.1f} s)")
                count += 1
                failures += wrong
        failures += [f"{name}: {problem}" for problem in check_plots(browser, report)]
    print(f"{count} pages opened")
    return failures


def main():
    path = browser_path()
    if path is None:
        required = os.environ.get("TOME_REQUIRE_BROWSER") == "1"
        print("no chromium on this machine" + (", and TOME_REQUIRE_BROWSER is 1" if required else ": skipped"))
        sys.exit(1 if required else 77)
    pictures = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        profile = pathlib.Path(scratch) / "profile"
        profile.mkdir()
        browser = Browser(path, str(profile))
        try:
            failures = check_all(browser, pathlib.Path(scratch), sys.argv[1], pictures)
        finally:
            browser.close()
    for failure in failures:
        print(failure)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
