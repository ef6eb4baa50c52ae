"""Why this file exists: the page is for people, so it is looked at as a browser shows it, and not as text. Invariants: the browser is driven through a pipe with the standard library alone; whatever it
asks for is seen, and asking anybody but the daemon is a failure; a case that cannot be looked at counts as failed.

Usage: look.py BROWSER WORK [--shots DIRECTORY] STORE=ADDRESS...
"""

import base64
import json
import os
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request

VIEWS = [(name, width, height, scheme) for name, width, height in (("desktop", 1280, 900), ("phone", 390, 844)) for scheme in ("light", "dark")]
TIMEOUT_S = 60

# What a person would look for, told from the document as the browser built it.
FACTS = """(() => {
  const colour = (element, property) => {
    for (let at = element; at; at = at.parentElement) {
      const found = getComputedStyle(at)[property].match(/[\\d.]+/g).map(Number);
      if (property === 'color' || found.length < 4 || found[3] > 0) { return found.slice(0, 3); }
    }
    return [255, 255, 255];
  };
  const light = rgb => rgb.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = element => {
    const [a, b] = [light(colour(element, 'color')), light(colour(element, 'backgroundColor'))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const parts = [...document.querySelectorAll('section')].filter(part => part.querySelector('h2'));
  const rows = head => parts.find(part => part.querySelector('h2').textContent === head)?.querySelectorAll('tbody tr').length ?? 0;
  const texts = [...document.querySelectorAll('p,dt,dd,th,td,li,h1,h2,footer')].filter(element => element.innerText.trim());
  return JSON.stringify({
    banner: document.querySelector('.banner .word')?.textContent ?? '',
    bannerText: document.querySelector('.banner')?.innerText ?? '',
    sections: Object.fromEntries(parts.map(part => [part.querySelector('h2').textContent, part.innerText])),
    lanes: rows('Lanes'),
    events: rows('Latest events'),
    clipped: texts.filter(element => element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== 'visible').length,
    good: document.querySelectorAll('.map .good').length,
    bad: [...document.querySelectorAll('.map .bad')].map(cell => cell.textContent),
    foreign: document.querySelectorAll('script,img,iframe,object,embed,link').length,
    paper: colour(document.body, 'backgroundColor'),
    scrollWidth: document.documentElement.scrollWidth,
    innerWidth,
    leastContrast: Math.min(...texts.map(contrast)),
    font: parseFloat(getComputedStyle(document.body).fontSize),
  });
})()"""


class Browser:
    """A headless browser behind a pipe."""

    def __init__(self, program, home):
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def hand_over():
            # The browser reads commands from descriptor 3 and answers on 4. Both are moved out of the way first.
            high_in, high_out = os.dup(to_browser), os.dup(from_browser)
            while high_in < 5 or high_out < 5:
                high_in, high_out = os.dup(high_in), os.dup(high_out)
            os.dup2(high_in, 3)
            os.dup2(high_out, 4)

        self._process = subprocess.Popen(
            [program, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={home}", "about:blank"],
            preexec_fn=hand_over, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        self.events = []

    def call(self, method, session=None, **parameters):
        """Sends a command and gives its result; what comes in between is kept in `events`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + TIMEOUT_S
        while True:
            answer = self._next(until)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        """Waits for an event."""
        until = time.monotonic() + TIMEOUT_S
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._next(until))

    def _next(self, until):
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], max(0, until - time.monotonic()))[0]:
                raise TimeoutError("The browser did not answer.")
            read = os.read(self._in, 1 << 16)
            if not read:
                raise EOFError("The browser ended.")
            self._buffer += read
        text, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(text)

    def close(self):
        """Ends the browser."""
        os.close(self._out)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Score:
    """Counts what held and names what did not."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, what, held, seen=""):
        """Counts one thing."""
        if held:
            self.passed += 1
        else:
            self.failed += 1
            print(f"   FAILED: {what}: {seen}")


def look(browser, address, width, height, scheme):
    """Opens the page in one view; gives its facts, its screenshot, every address that was asked for, and what ran."""
    browser.events.clear()
    context = browser.call("Target.createBrowserContext")["browserContextId"]
    target = browser.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Network", "Runtime", "Log"):
        browser.call(f"{domain}.enable", session)
    browser.call("Emulation.setDeviceMetricsOverride", session, width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
    browser.call("Emulation.setEmulatedMedia", session, features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.call("Page.navigate", session, url=address)
    browser.wait("Page.loadEventFired")
    facts = json.loads(browser.call("Runtime.evaluate", session, expression=FACTS, returnByValue=True)["result"]["value"])
    shot = base64.b64decode(browser.call("Page.captureScreenshot", session, format="png", captureBeyondViewport=True)["data"])
    asked = [event["params"]["request"]["url"] for event in browser.events if event.get("method") == "Network.requestWillBeSent"]
    ran = [event for event in browser.events if event.get("method") in ("Page.javascriptDialogOpening", "Runtime.exceptionThrown")]
    browser.call("Target.disposeBrowserContext", browserContextId=context)
    return facts, shot, asked, ran


def judge(score, view, address, facts, asked, ran):
    """What holds of every store in every view."""
    _, width, _, scheme = view
    score.check("nothing was asked of anybody else", asked and all(url.startswith(address) for url in asked), asked)
    score.check("there is no script, picture, frame or link", facts["foreign"] == 0, facts["foreign"])
    score.check("nothing ran", not ran, ran)
    score.check("the page is as wide as the window", facts["scrollWidth"] <= facts["innerWidth"] == width, (facts["scrollWidth"], facts["innerWidth"], width))
    score.check(f"it is {scheme}", (sum(facts["paper"]) > 600) == (scheme == "light"), facts["paper"])
    score.check("every text stands out from what is behind it (4.5 : 1)", facts["leastContrast"] >= 4.5, facts["leastContrast"])
    score.check("text is no smaller than 16 px", facts["font"] >= 16, facts["font"])
    score.check("no text is cut off", facts["clipped"] == 0, facts["clipped"])


def judge_sound(score, facts):
    """What a sound store shows."""
    parts = facts["sections"]
    for part in ("Records", "Lanes", "Integrity", "Conflicts", "Latest events"):
        score.check(f"there is a part '{part}'", parts.get(part, "").strip() != "", sorted(parts))
    score.check("health is said", facts["banner"] == "healthy", facts["banner"])
    score.check("every lane is there", facts["lanes"] == 11, facts["lanes"])
    score.check("the latest events are there", facts["events"] >= 10 and "sync.conflict.created" in parts.get("Latest events", ""), parts.get("Latest events"))
    score.check("the conflict is there", "conflict:note-3" in parts.get("Conflicts", "") and "review_required" in parts.get("Conflicts", ""), parts.get("Conflicts"))
    score.check("the map is sound", facts["good"] >= 8 and not facts["bad"], facts["bad"])
    score.check("hostile text is text", "<img src=x" in parts.get("Latest events", ""), parts.get("Latest events"))


def judge_damaged(score, facts):
    """What a store with a damaged state shows."""
    score.check("damage is said", facts["banner"] == "unsafe" and "statestore" in facts["bannerText"], facts["bannerText"])
    score.check("the map shows where", any("data.mdb" in cell for cell in facts["bad"]), facts["bad"])
    score.check("the log is shown as sound", not any("events/" in cell for cell in facts["bad"]), facts["bad"])
    score.check("findings are listed", "state." in facts["sections"].get("Integrity", ""), facts["sections"].get("Integrity"))


def judge_unsafe(score, facts):
    """What a store with a damaged log shows; its state can be read, and says nothing of the damage."""
    score.check("damage is said", facts["banner"] == "unsafe" and "statestore doctor" in facts["bannerText"], facts["bannerText"])
    score.check("the map shows where", any("events/segment-" in cell for cell in facts["bad"]), facts["bad"])
    score.check("findings are listed", "log." in facts["sections"].get("Integrity", ""), facts["sections"].get("Integrity"))
    score.check("what can be read is shown", facts["lanes"] == 11 and facts["events"] > 0, (facts["lanes"], facts["events"]))


def judge_missing(score, facts):
    """What is shown where no store is."""
    score.check("that it is not there is said", facts["banner"] == "uninitialized" and "init" in facts["bannerText"], facts["bannerText"])
    score.check("nothing is called sound", facts["good"] == 0, facts["good"])


def wait_for(address, words):
    """Waits until the daemon's check of the whole store has ended badly; what rotted long ago is found by that one only."""
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT_S):
                pass
        except urllib.error.HTTPError as answer:
            if words in answer.read().decode():
                return
        time.sleep(0.2)
    raise TimeoutError("The daemon did not find the damage.")


JUDGES = {"sound": judge_sound, "damaged": judge_damaged, "unsafe": judge_unsafe, "missing": judge_missing}


def main():
    """Looks at everything."""
    program, work, *rest = sys.argv[1:]
    shots = None
    if rest[0] == "--shots":
        shots, rest = rest[1], rest[2:]
        os.makedirs(shots, exist_ok=True)
    score = Score()
    browser = Browser(program, os.path.join(work, "browser"))
    try:
        for store, address in (page.split("=", 1) for page in rest):
            if store != "sound":
                wait_for(address + "/readyz", "")
            if store == "damaged":
                wait_for(address + "/", "data.mdb")
            for view in VIEWS:
                name = f"{store}-{view[0]}-{view[3]}"
                print(f"== {name}")
                facts, shot, asked, ran = look(browser, address + "/", *view[1:])
                if shots:
                    with open(os.path.join(shots, name + ".png"), "wb") as file:
                        file.write(shot)
                judge(score, view, address, facts, asked, ran)
                JUDGES[store](score, facts)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError) as problem:
        score.check("the page could be looked at", False, repr(problem))
    finally:
        browser.close()
    print(f"{score.passed} passed, {score.failed} failed")
    return 0 if score.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
