"""The report as a browser shows it: complete, quiet, alone; toggles, values and keys work; legible everywhere."""

import re

import numpy as np
import pytest

from kerasish.comparison import page as module
from kerasish.comparison.page import page
from kerasish.comparison.view import chart_data, series_of
from tests.comparison.conftest import make_comparison, make_run

CSS = module._asset("report.css")


@pytest.fixture
def opened(browser, rich_comparison, tmp_path):
    """The browser with the report open."""
    path = rich_comparison.to_html(tmp_path / "report.html")
    browser.size(1200)
    browser.medium()
    browser.open(path.as_uri())
    assert browser.run("document.documentElement.dataset.ready") == "true"
    yield browser
    assert browser.complaints() == []
    assert browser.requests() == [path.as_uri()]


# -- as text -----------------------------------------------------------------------------------------------------------
def test_the_page_refers_to_nothing_outside(rich_comparison):
    text = page(rich_comparison.report())
    assert not re.findall(
        r"""(?:src|href)\s*=\s*["'](?!data:)|@import|url\(|https?://(?!www\.w3\.org/2000/svg)""", text
    )
    assert "default-src 'none'" in text


def test_what_scripts_and_errors_say_is_text_and_not_markup(rich_comparison):
    rich_comparison.subject["name"] = "<b>&\"train'.py"
    rich_comparison.runs[0].epochs[0].logs["</script><img src=x>"] = 1.0
    text = page(rich_comparison.report())
    assert "<script>alert" not in text
    assert "<b>&" not in text
    assert "</script><img" not in text
    assert "&lt;b&gt;&amp;" in text


def test_all_marks_of_the_template_are_filled(rich_comparison):
    assert "{{" not in page(rich_comparison.report()).replace("${{", "")


def test_numbers_are_there_without_scripts(rich_comparison):
    text = re.sub(r"<script.*?</script>", "", page(rich_comparison.report()), flags=re.S)
    assert "native is fastest" in text
    assert "<noscript>" in text
    assert text.count("<table>") >= 3
    assert "All values by epoch" in text
    assert "openvino" in text
    assert "A &lt;Fast&gt; Chip" in text


def test_a_comparison_of_one_run_of_one_epoch_has_a_page():
    text = page(make_comparison([make_run(losses=(0.5,))]).report())
    assert "train.py on native" in text
    assert "1 run of each · 1 epoch" in text


def test_a_run_without_metrics_or_steps_has_a_page():
    run = make_run(losses=())
    run.steps = run.samples_per_s = run.peak_bytes = None
    assert "Nothing" not in page(make_comparison([run]).report())


def test_curves_over_seeds_are_means_between_extremes(rich_comparison):
    loss = next(c for c in chart_data(rich_comparison.report()) if c["title"] == "Loss")
    _, mean, low, high = loss["series"][0]["points"][0]
    assert (mean, low, high) == pytest.approx((2.04, 2.0, 2.08))


def test_the_goal_is_validation_accuracy_over_seconds(rich_comparison):
    chart = next(c for c in chart_data(rich_comparison.report()) if c["id"] == "over-time")
    assert chart["title"] == "Validation accuracy over time"
    seconds = [point[0] for point in chart["series"][0]["points"]]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


def test_keras_has_its_engines_colour_and_dashes(rich_comparison):
    series = {s["name"]: s for s in series_of(rich_comparison.report())}
    assert series["keras-jax"]["colour"] == series["jax"]["colour"] != series["native"]["colour"]
    assert series["keras-jax"]["dashed"]
    assert not series["jax"]["dashed"]


# -- in a browser ------------------------------------------------------------------------------------------------------
def test_it_renders(opened, tmp_path):
    assert opened.run("document.title") == "train.py on 3 engines and Keras: kerasish compare"
    assert opened.run("document.querySelectorAll('.legend button').length") == 4
    drawn = opened.run(
        "[...document.querySelectorAll('#curve-0 .curve')].map(c => c.getAttribute('d').length)"
    )
    assert len(drawn) == 4
    assert min(drawn) > 20
    assert opened.run("document.querySelectorAll('.charts .plot').length") == 5
    assert opened.run("document.querySelectorAll('.bar').length") == 12
    picture = tmp_path / "report.png"
    opened.screenshot(picture)
    assert picture.stat().st_size > 30_000


def visible_curves(browser):
    return browser.run("[...document.querySelectorAll('#curve-0 .curve')].map(c => c.dataset.series)")


def test_toggles_hide_and_show_a_contender_everywhere(opened):
    opened.click('.legend button[data-series="jax"]')
    assert visible_curves(opened) == ["native", "keras-jax", "tensorflow"]
    rows = "[...document.querySelectorAll('[data-of=jax]')].map(row => getComputedStyle(row).display)"
    assert set(opened.run(rows)) == {"none"}
    assert opened.run("document.querySelector('[data-series=jax]').getAttribute('aria-pressed')") == "false"
    opened.click('.legend button[data-series="jax"]')
    assert sorted(visible_curves(opened)) == ["jax", "keras-jax", "native", "tensorflow"]
    assert "none" not in opened.run(rows)


def test_toggles_work_by_keyboard(opened):
    opened.run("document.querySelector('.legend button[data-series=native]').focus()")
    opened.key("Tab")
    assert opened.run("document.activeElement.dataset.series") == "jax"
    opened.run("document.activeElement.click()")
    assert "jax" not in visible_curves(opened)


def test_all_hidden_is_said(opened):
    opened.run("document.querySelectorAll('.legend button').forEach(b => b.click())")
    assert opened.run("document.querySelector('#curve-0 .plot').textContent") == "nothing selected"


def test_hover_shows_values(opened):
    box = opened.run(
        "(() => { const e = document.querySelector('#curve-0 .plot'); e.scrollIntoView({block: 'center'});"
        " const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()"
    )
    x, y, width, height = box
    opened.move(x + width - 12, y + height / 2)
    tip = opened.run("document.querySelector('#curve-0 .tip').innerText").split()
    assert tip[:2] == ["epoch", "8"]
    assert tip[2:4] == ["native", "0.29"]
    assert opened.run("getComputedStyle(document.querySelector('#curve-0 .tip')).visibility") == "visible"
    opened.move(1, 1)
    assert opened.run("getComputedStyle(document.querySelector('#curve-0 .tip')).visibility") == "hidden"


def test_values_are_read_by_keyboard_and_spoken(opened):
    opened.run("document.querySelector('#curve-0 .plot').focus()")
    opened.key("Home")
    opened.key("ArrowRight")
    spoken = opened.run("document.querySelector('#curve-0 [aria-live]').textContent")
    assert spoken.startswith("epoch 2")
    assert "tensorflow" in spoken
    opened.key("Escape")
    assert opened.run("getComputedStyle(document.querySelector('#curve-0 .tip')).visibility") == "hidden"


def test_a_loss_can_be_seen_on_a_log_scale(opened):
    ticks = "[...document.querySelectorAll('#curve-0 .plot text')].map(t => t.textContent).join(' ')"
    before = opened.run(ticks)
    opened.click("#curve-0 figcaption button")
    assert (
        opened.run("document.querySelector('#curve-0 figcaption button').getAttribute('aria-pressed')")
        == "true"
    )
    assert opened.run(ticks) != before
    assert "0.1" in opened.run(ticks)


def test_curves_that_coincide_are_striped(opened):
    dashes = opened.run(
        "Object.fromEntries([...document.querySelectorAll('#curve-0 .curve')]"
        ".map(c => [c.dataset.series, c.getAttribute('stroke-dasharray')]))"
    )
    assert (
        dashes["native"] == dashes["jax"] != "none"
    )  # all but the last epoch of tensorflow is on the same line
    opened.run("document.querySelector('.legend button[data-series=jax]').click()")
    opened.run("document.querySelector('.legend button[data-series=keras-jax]').click()")
    alone = opened.run("document.querySelector('#curve-0 .curve').getAttribute('stroke-dasharray')")
    assert alone == "none"


def test_a_chart_describes_itself(opened):
    label = opened.run("document.querySelector('#curve-0 .plot').getAttribute('aria-label')")
    assert label.startswith("Loss over epoch. native ends at 0.29")


@pytest.mark.parametrize(("width", "scheme"), [(1200, "dark"), (390, "light"), (390, "dark"), (768, "light")])
def test_it_fits_every_screen(opened, width, scheme):
    opened.size(width, mobile=width < 500)
    opened.medium("screen", scheme)
    opened.run("window.dispatchEvent(new Event('resize'))")
    assert opened.run("document.documentElement.scrollWidth") <= width
    sizes = opened.run(
        "[...document.querySelectorAll('main *')].filter(e => e.childNodes.length && e.innerText)"
        ".map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12
    smallest = opened.run(
        "Math.min(...[...document.querySelectorAll('.legend button')].map(b => b.getBoundingClientRect().height))"
    )
    assert smallest >= 36  # a finger finds it


def test_it_prints(opened):
    pdf = opened.pdf()
    assert pdf.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 6
    opened.medium("print", "dark")  # paper is white, whatever the screen is
    assert opened.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert (
        opened.run("getComputedStyle(document.querySelector('.charts')).gridTemplateColumns").count("px") == 2
    )


def test_text_on_paper_is_as_large_as_on_any_screen(opened):
    opened.size(390, mobile=True)
    opened.run("window.dispatchEvent(new Event('beforeprint'))")
    widths = "[...document.querySelectorAll('svg.plot')].map(s => s.viewBox.baseVal.width)"
    assert set(opened.run(widths)) == {326, 680}
    opened.run("window.dispatchEvent(new Event('afterprint'))")
    assert max(opened.run(widths)) < 390


# -- colours -----------------------------------------------------------------------------------------------------------
def palette(scheme):
    """Name -> linear RGB of the custom colours of a scheme."""
    blocks = re.findall(r":root\s*\{(.*?)\}", CSS, re.S)
    found = dict(re.findall(r"--([\w]+): #([0-9a-f]{6})", blocks[0]))
    if scheme == "dark":
        found |= dict(re.findall(r"--([\w]+): #([0-9a-f]{6})", blocks[1]))
    rgb = {
        name: np.array([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)]) for name, code in found.items()
    }
    return {n: np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for n, c in rgb.items()}


def contrast(a, b):
    """WCAG 2's contrast ratio."""
    light = sorted((float(c @ [0.2126, 0.7152, 0.0722]) + 0.05 for c in (a, b)), reverse=True)
    return light[0] / light[1]


# Machado, Oliveira and Fernandes 2009, severity 1: what people without one kind of cone see of linear RGB.
SIGHTS = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}


def lab(rgb):
    """CIE L*a*b* of linear RGB."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(
        rgb, 0, 1
    )
    f = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_stand_out_from_the_paper(scheme):
    colours = palette(scheme)
    assert contrast(colours["ink"], colours["paper"]) >= 7
    assert contrast(colours["muted"], colours["paper"]) >= 4.5
    for name in (f"c{i}" for i in range(8)):
        assert contrast(colours[name], colours["paper"]) >= 3, name


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHTS)
def test_engines_are_told_apart_by_all_eyes(scheme, sight):
    colours = palette(scheme)
    seen = [lab(np.array(SIGHTS[sight]) @ colours[f"c{i}"]) for i in range(4)]
    for i in range(4):
        for j in range(i):
            assert np.linalg.norm(seen[i] - seen[j]) > 18, (i, j)  # and marks of different shape beside
