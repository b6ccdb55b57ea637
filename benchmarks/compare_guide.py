"""Makes the figures and the picture of `docs/compare.md`: a real report, on the machine this runs on.

    python -m benchmarks.compare_guide            # runs examples/convnet.py, also on Keras; leave the machine alone
    python -m benchmarks.compare_guide --from report.json

The text goes between the two marks in the guide, the picture (needs Chromium) to `docs/pictures/compare.png`.
"""

from __future__ import annotations

import argparse
import base64
import io
import tempfile
from pathlib import Path

from kerasish.comparison import Comparison
from kerasish.comparison.running import Plan, compare_script
from kerasish.comparison.table import as_text
from tests.comparison.browser import find_chromium, running

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "compare.md"
PICTURE = ROOT / "docs" / "pictures" / "compare.png"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
SCRIPT = "examples/convnet.py"


def main() -> None:
    """Run, or read, a comparison; put it into the guide."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare_guide")
    parser.add_argument("--from", dest="given", type=Path, help="a report.json that is there already")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.given:
        comparison = Comparison.from_json(arguments.given)
    else:
        plan = Plan(ROOT / SCRIPT, repeat=arguments.repeat, threads=arguments.threads, with_keras=True)
        comparison = compare_script(plan, print)
    write(comparison)
    draw(comparison)


def write(comparison: Comparison) -> None:
    """Replace what stands between the marks."""
    text = GUIDE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    shown = "\n".join(line.rstrip() for line in as_text(comparison, width=100).strip("\n").splitlines())
    block = f"{BEGIN}\n\n{command(comparison)}\n\n```text\n{shown}\n```\n\n{machine(comparison)}\n\n{END}"
    GUIDE.write_text(before + block + after, encoding="utf-8")


def command(comparison: Comparison) -> str:
    """How it was made."""
    settings = comparison.settings
    options = [f"--repeat {settings['repeat']}"]
    options += [f"--threads {settings['threads']}"] if settings["threads"] else []
    options += ["--with-keras"] if settings["with_keras"] else []
    return f"`kerasish compare {SCRIPT} {' '.join(options)}` gave:"


def machine(comparison: Comparison) -> str:
    """Where it was made."""
    facts = comparison.environment
    versions = {name: v for run in comparison.runs for name, v in run.versions.items()}
    listed = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    features = " ".join(facts["cpu_features"])
    return (
        f"On {facts['cores']} cores of {facts['processor']} ({features}), load {facts['load']} before; "
        f"{listed}; Python {facts['python']}."
    )


def draw(comparison: Comparison) -> None:
    """The upper part of the report, as a browser shows it."""
    from PIL import Image  # comes with matplotlib

    path = find_chromium()
    if path is None:
        print("no picture: Chromium is not installed")
        return
    with tempfile.TemporaryDirectory() as folder, running(path, f"{folder}/profile") as browser:
        page = comparison.to_html(Path(folder) / "report.html")
        browser.size(1120)
        browser.medium()
        browser.open(page.as_uri())
        end = browser.run("document.querySelector('#bars-step_ms').getBoundingClientRect().bottom + scrollY")
        clip = {"x": 0, "y": 0, "width": 1120, "height": end + 24, "scale": 1}
        answer = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    PICTURE.parent.mkdir(exist_ok=True)
    picture = Image.open(io.BytesIO(base64.b64decode(answer["data"]))).convert("RGB")
    picture.quantize(48, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
