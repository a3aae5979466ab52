"""The try-it page, used by a real browser on a real server."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from tests.clients import PYTHON
from tests.corpus import APP, function_of
from tests.stage import GATEWAY_BYTES, serve_stage

from liteship import Function
from liteship.project import read_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser import Browser, Page

ROOT = Path(__file__).parents[2]
WINE = ROOT / "functions" / "wine"
HOOKS = """
from liteship import Function
seen = []
def preprocess(body, content_type):
    seen.append(body.decode())
    return {"measurements": bytes(4 * 13)}
def postprocess(outputs):
    return {"tasted": seen.pop()}
handler = Function(__file__, preprocess=preprocess, postprocess=postprocess)
"""
BAROLO = "14.23,1.71,2.43,15.6,127,2.8,3.06,0.28,2.29,5.64,1.04,3.92,1065"
NARROW = 320
ANSWERED = "document.querySelector('#answer:not([aria-busy]) .result:not(.wait)')"
MENU = "!document.getElementById('models').hidden"
READY = "!document.getElementById('work').hidden"
HOSTILE = "<img src=x onerror=document.body.textContent='ran'><script>document.body.remove()</script>"

CONTRAST = """(() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([red, green, blue]) => [red, green, blue].map((each) => each / 255)
    .map((each) => (each <= .04045 ? each / 12.92 : ((each + .055) / 1.055) ** 2.4))
    .reduce((sum, each, place) => sum + each * [.2126, .7152, .0722][place], 0);
  const background = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const words = [...document.querySelectorAll("main *")].filter((each) => each.checkVisibility()
    && ([...each.childNodes].some((child) => child.nodeType === 3 && child.data.trim())
      || each.matches("input, textarea")));
  return words.map((each) => {
    const colors = [parse(getComputedStyle(each).color), background(each)];
    const [dim, bright] = colors.map(light).sort((one, other) => one - other);
    return [(bright + .05) / (dim + .05), each.outerHTML.slice(0, 80)];
  });
})()"""
"""Each visible text's contrast: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""

FOCUS = """(() => {
  const focused = document.activeElement;
  if (focused === document.body) return [null, true];
  const shown = focused.matches(".hidden") ? focused.closest("label") : focused;
  const style = getComputedStyle(shown);
  return [focused.id || focused.value || focused.innerText,
    style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
})()"""
"""What has the focus, and whether one sees it."""


@pytest.fixture(scope="module")
def digits(start_server: Callable[..., Any]) -> str:
    """The address of a server that reads digits."""
    return str(start_server().url)


@pytest.fixture(scope="module")
def wine(start_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a server that tells wines apart."""
    return str(start_server(copy_wine(tmp_path_factory.mktemp("functions") / "wine")).url)


@pytest.fixture(scope="module")
def tasting(start_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a server that reads and answers in its own way: it tells what it was sent."""
    folder = copy_wine(tmp_path_factory.mktemp("functions") / "tasting")
    (folder / "app.py").write_text(HOOKS)
    return str(start_server(folder).url)


@pytest.fixture
def pictures(tmp_path: Path, digit_images: Any) -> Path:
    """A folder with a picture of each digit, `0.png` to `9.png`, a broken one and a PDF."""
    images, labels = digit_images
    for digit in range(10):
        Image.fromarray(images[labels == digit][0]).save(tmp_path / f"{digit}.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "7.png").read_bytes()[:60])
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7\n")
    return tmp_path


def test_an_uploaded_seven_is_a_seven(browser: Browser, digits: str, pictures: Path) -> None:
    manifest = json.loads((ROOT / "functions" / "digits" / "model" / "model.json").read_text())
    with browser.open(digits) as page:
        page.wait_for(READY)
        assert page.text("h1") == "digits"
        assert page.text("#summary") == f"version 1 · int8 · 179 kB · {manifest['sha256'][:12]}"
        page.choose_files("#files", pictures / "7.png")
        page.wait_for(ANSWERED)
        assert page.texts(".best") == ["7"]
        labels, scores = page.texts(".ranking .label"), page.texts(".ranking .score")
        assert labels[0] == "7"
        assert len(labels) == manifest["postprocessing"]["top_k"]
        assert scores == sorted(scores, key=lambda score: -float(score.rstrip("%")))
        width = page.run("document.querySelector('.track i').style.width")
        assert abs(float(width.rstrip("%")) - float(scores[0].rstrip("%"))) < 0.1
        facts = dict(zip(page.texts(".facts dt"), page.texts(".facts dd"), strict=True))
        assert facts["model"] == "digits version 1"
        assert len(facts["request id"]) == 36
        for step in ("round trip", "preprocess", "invoke", "postprocess"):
            assert facts[step].endswith(" ms")
        assert page.text("#status") == f"7.png: 7, {scores[0]}"
        assert page.run("document.querySelector('.head img').naturalWidth") == 8
        assert page.complaints() == []
        for url in page.requests():
            assert url.startswith((f"{digits}/", "blob:", "data:")), url


def test_several_pictures_have_several_answers(browser: Browser, digits: str, pictures: Path) -> None:
    with browser.open(digits) as page:
        page.wait_for(READY)
        names = [f"{digit}.png" for digit in (3, 0, 7)]
        page.choose_files("#files", *(pictures / name for name in names))
        page.wait_for(ANSWERED)
        assert page.texts(".result h3") == names
        assert page.texts(".best") == ["3", "0", "7"]
        page.run("document.querySelector('#again').click()")
        page.wait_for(f"{ANSWERED} && document.querySelectorAll('.best').length === 3")


def test_who_has_no_picture_takes_the_example(browser: Browser, digits: str) -> None:
    with browser.open(digits) as page:
        page.wait_for(READY)
        page.run("document.querySelector('#sample').click()")
        page.wait_for(ANSWERED)
        assert page.texts(".result h3") == ["example.png"]
        assert page.texts(".best") == [golden_label()]
        assert "@picture.png" in page.text("#snippet-curl")
        assert page.complaints() == []


def test_a_picture_is_dropped(browser: Browser, digits: str, pictures: Path) -> None:
    with browser.open(digits) as page:
        page.wait_for(READY)
        page.drop_files(pictures / "4.png")
        page.wait_for(ANSWERED)
        assert page.texts(".best") == ["4"]


def test_a_picture_is_pasted(browser: Browser, digits: str, pictures: Path) -> None:
    encoded = base64.b64encode((pictures / "2.png").read_bytes()).decode()
    with browser.open(digits) as page:
        page.wait_for(READY)
        page.run(f"""(() => {{
          const bytes = Uint8Array.from(atob("{encoded}"), (each) => each.charCodeAt(0));
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File([bytes], "image.png", {{type: "image/png"}}));
          document.body.dispatchEvent(new ClipboardEvent("paste", {{clipboardData, bubbles: true}}));
        }})()""")
        page.wait_for(ANSWERED)
        assert page.texts(".best") == ["2"]


def test_wine_by_keyboard_only(browser: Browser, wine: str) -> None:
    with browser.open(wine) as page:
        page.wait_for(READY)
        numbers = BAROLO.split(",")
        page.press("Tab")
        for place, number in enumerate(numbers, 1):
            assert page.run(FOCUS) == [f"feature-{place}", True]
            page.type(number)  # over what is there: the browser selects a field that Tab leads into
            page.press("Tab")
        assert page.run(FOCUS) == ["Predict", True]
        page.press("Enter")
        page.wait_for(ANSWERED)
        assert page.text(".best") == "Barolo"
        sent = json.loads(page.texts("#snippet-curl")[0].split("'")[-2])
        assert sent == {"inputs": {"measurements": [list(map(float, numbers))]}}
        met = []
        for _ in range(30):
            page.press("Tab")
            name, is_visible = page.run(FOCUS)
            if name is None:  # the page ends here
                break
            assert is_visible, name
            met.append(name)
        assert met == [
            *("fill", "clear", "Answer as JSON", "curl", "copy", "snippet-curl", "About this model"),
            *("All routes", "model.json"),
        ]


def test_the_keyboard_chooses_the_language(browser: Browser, wine: str) -> None:
    with browser.open(wine) as page:
        page.wait_for(READY)
        page.run("document.querySelector('[name=language]').focus()")
        page.press("ArrowRight")
        assert page.run(FOCUS) == ["python", True]
        assert page.run("[...document.querySelectorAll('#snippets pre')].map(each => each.hidden)") == [
            *(True, False, True)
        ]


def test_the_keyboard_reaches_the_choice_of_pictures(browser: Browser, digits: str) -> None:
    with browser.open(digits) as page:
        page.wait_for(READY)
        page.press("Tab")
        assert page.run(FOCUS) == ["files", True]


def test_enter_in_a_field_asks_and_an_empty_field_is_named(browser: Browser, wine: str) -> None:
    with browser.open(wine) as page:
        page.wait_for(READY)
        page.run("document.querySelector('#clear').click()")
        assert page.run(FOCUS)[0] == "feature-1"
        page.type("14")
        page.press("Enter")
        assert page.run(FOCUS)[0] == "feature-2"  # where the browser says that it is missing
        page.run(
            "document.querySelector('#fill').click(); document.querySelector('#feature-3').focus()"
        )
        page.press("Enter")
        page.wait_for(ANSWERED)
        assert page.complaints() == []


@pytest.mark.parametrize(
    "text", [BAROLO, f"a,b,c\n{BAROLO}\n1,2,3", BAROLO.replace(",", "\t"), BAROLO.replace(",", "; ")]
)
def test_a_pasted_row_fills_the_fields(browser: Browser, wine: str, text: str) -> None:
    with browser.open(wine) as page:
        page.wait_for(READY)
        paste(page, "#feature-5", text)
        values = page.run("[...document.querySelectorAll('#fields input')].map(each => each.value)")
        assert values == BAROLO.split(",")
        assert page.text("#status") == "All fields are filled in"


def test_a_short_row_fills_what_it_can(browser: Browser, wine: str) -> None:
    with browser.open(wine) as page:
        page.wait_for(READY)
        before = page.run("document.querySelector('#feature-1').value")
        paste(page, "#feature-12", "-1.5,2e2")
        values = page.run("[...document.querySelectorAll('#fields input')].map(each => each.value)")
        assert (values[0], values[11:]) == (before, ["-1.5", "2e2"])
        assert page.text("#status") == "2 numbers pasted, the model takes 13"


def test_an_error_says_what_to_do(browser: Browser, digits: str, pictures: Path) -> None:
    with browser.open(digits) as page:
        page.wait_for(READY)
        page.choose_files("#files", pictures / "broken.png")
        page.wait_for(ANSWERED)
        assert "cannot be decoded" in page.text(".bad h3")
        shown = problem(page)
        assert (shown["Reference"], shown["Status"]) == ("image-broken", "400")
        assert "check that the file opens" in shown["Hint"]
        assert len(shown["Request id"]) == 36
        assert page.text("#status").startswith("broken.png: Error: the picture cannot be decoded")
        page.choose_files("#files", pictures / "paper.pdf")
        page.wait_for("document.querySelector('.bad h3').innerText.includes('content type')")
        shown = problem(page)
        assert (shown["Reference"], shown["Status"]) == ("media-type-unsupported", "415")
        assert shown["Received"] == "application/pdf"
        assert "image/png" in shown["Expected"]


def test_too_large_a_file(browser: Browser, start_server: Callable[..., Any], pictures: Path) -> None:
    with browser.open(start_server(LITESHIP_MAX_BODY_BYTES="100").url) as page:
        page.wait_for(READY)
        page.choose_files("#files", pictures / "7.png")
        page.wait_for(ANSWERED)
        shown = problem(page)
        assert (shown["Reference"], shown["Status"]) == ("body-too-large", "413")
        assert shown["Expected"] == "at most 100 bytes"
        (pictures / "large.png").write_bytes(bytes(30_000_000))
        page.choose_files("#files", pictures / "large.png")
        page.wait_for(f"{ANSWERED} && document.querySelector('.result h3').innerText === 'large.png'")
        assert problem(page)["Received"] == "30,000,000 bytes"


def test_a_model_that_is_not_ready(browser: Browser, start_server: Callable[..., Any]) -> None:
    with browser.open(start_server(LITESHIP_MODEL="/nowhere").url) as page:
        page.wait_for("document.querySelector('#failure .bad')")
        assert problem(page)["Status"] == "503"
        assert "artifact" in problem(page)["Reference"]
        assert page.texts("#failure button") == ["Try again"]
        assert not page.run(READY)


def test_a_server_that_is_gone(
    browser: Browser, start_server: Callable[..., Any], pictures: Path
) -> None:
    server = start_server()
    with browser.open(server.url) as page:
        page.wait_for(READY)
        server.process.kill()
        server.process.wait()
        page.choose_files("#files", pictures / "7.png")
        page.wait_for(ANSWERED)
        assert page.text(".bad h3") == "The server cannot be reached."
        assert "Check the connection" in problem(page)["Hint"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read_on_a_phone_too(
    browser: Browser, digits: str, wine: str, pictures: Path, dark: bool
) -> None:
    def look(page: Page) -> None:
        page.run("for (const each of document.querySelectorAll('details')) each.open = true")
        assert page.run("document.documentElement.scrollWidth") == NARROW
        faint = [each for each in page.run(CONTRAST) if each[0] < 4.5]
        assert faint == []
        lines = page.run("getComputedStyle(document.body).backgroundColor")
        assert (int(lines.removeprefix("rgb(").split(",")[0]) < 100) is dark

    with browser.open(digits, NARROW, dark=dark) as page:
        page.wait_for(READY)
        look(page)
        page.choose_files("#files", pictures / "7.png", pictures / "broken.png")
        page.wait_for(ANSWERED)
        look(page)
    with browser.open(wine, NARROW, dark=dark) as page:
        page.wait_for(READY)
        page.run("document.querySelector('#row .main').click()")
        page.wait_for(ANSWERED)
        look(page)


def test_nothing_moves_for_whom_that_is_too_much(browser: Browser, digits: str, pictures: Path) -> None:
    with browser.open(digits) as page:
        page.wait_for(READY)
        page.choose_files("#files", pictures / "7.png")
        page.wait_for(ANSWERED)
        moves = "getComputedStyle(document.querySelector('.track i')).animationName"
        assert page.run(moves) == "grow"
        reduced = [{"name": "prefers-reduced-motion", "value": "reduce"}]
        page.call("Emulation.setEmulatedMedia", features=reduced)
        assert page.run(moves) == "none"


def test_every_field_has_a_label(browser: Browser, digits: str, wine: str) -> None:
    for url in (digits, wine):
        with browser.open(url) as page:
            page.wait_for(READY)
            unnamed = (
                "[...document.querySelectorAll('input, textarea')].filter(each => !each.labels.length)"
            )
            assert page.run(f"{unnamed}.length") == 0
            assert page.run("document.getElementById('status').getAttribute('role')") == "status"


PROGRAMS: dict[str, list[str | Path]] = {
    "curl": ["sh"],
    "python": [sys.executable],
    "tritonclient": [PYTHON, "-W", "ignore"],
}


@pytest.mark.parametrize("language", PROGRAMS)
@pytest.mark.parametrize("name", ["7.png", "it's a seven $(exit).png", "seven"])
def test_a_pictures_snippets_work(
    browser: Browser, digits: str, pictures: Path, language: str, name: str
) -> None:
    (pictures / "7.png").rename(pictures / name)
    with browser.open(digits) as page:
        page.wait_for(READY)
        page.choose_files("#files", pictures / name)
        page.wait_for(ANSWERED)
        answer = run_snippet(page, language, pictures)
    assert best_label(answer) == "7"


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_rows_snippets_work(browser: Browser, wine: str, tmp_path: Path, language: str) -> None:
    with browser.open(wine) as page:
        page.wait_for(READY)
        paste(page, "#feature-1", BAROLO)
        assert best_label(run_snippet(page, language, tmp_path)) == "Barolo"


@pytest.mark.parametrize("language", PROGRAMS)
def test_several_inputs_are_a_text_whose_snippets_work(
    browser: Browser, start_server: Callable[..., Any], tmp_path: Path, language: str
) -> None:
    server = start_server(function_of("dtypes", tmp_path / "dtypes").parent)
    with browser.open(server.url) as page:
        page.wait_for(READY)
        sent = json.loads(page.run("document.getElementById('text').value"))
        assert sent["inputs"].keys() == {"narrow", "wide", "flag", "byte"}
        page.run("document.querySelector('#json .main').click()")
        page.wait_for(ANSWERED)
        assert len(page.texts(".result table")) == 4
        assert page.texts(".result td")
        shown = json.loads(page.run("document.querySelector('.result pre').textContent"))
        answer = run_snippet(page, language, tmp_path)
        if language == "tritonclient":
            numbers = answer.replace("False", "0").replace("True", "1")
            rows = re.findall(r"\[\[(.*)\]\]", numbers)
            outputs = [each["data"] for each in shown["outputs"]]
            assert [[*map(float, row.split())] for row in rows] == outputs
        else:
            assert json.loads(answer) == shown


@pytest.mark.parametrize("language", ["curl", "python"])  # of tensors, the function's steps see none
@pytest.mark.parametrize(
    "text", ["@/etc/passwd", "it's \\ $(exit) `id` ü \u2028", 'r"""', "x\\", "[1]\n\n[2]"]
)
def test_what_is_written_is_sent_as_it_is(
    browser: Browser, tasting: str, tmp_path: Path, language: str, text: str
) -> None:
    with browser.open(tasting) as page:
        page.wait_for(READY)
        page.run(f"""(() => {{
          const text = document.getElementById("text");
          text.value = {json.dumps(text)};
          text.dispatchEvent(new Event("input", {{bubbles: true}}));
          document.querySelector("#json .main").click();
        }})()""")
        page.wait_for(ANSWERED)
        assert json.loads(page.text(".result > pre"))["tasted"] == text
        assert json.loads(run_snippet(page, language, tmp_path))["tasted"].strip("\n") == text


def test_the_copy_button_copies_what_is_shown(browser: Browser, wine: str) -> None:
    with browser.open(wine) as page:
        page.wait_for(READY)
        page.allow("clipboardReadWrite")
        page.run("document.querySelector('[value=python]').click()")
        page.run("document.querySelector('#copy').click()")
        page.wait_for("document.querySelector('#copy').innerText === 'Copied'")
        assert page.text("#status") == "Copied"
        shown = page.run("document.querySelector('#snippet-python').textContent")
        assert page.run("navigator.clipboard.readText()") == shown


def test_markup_in_names_and_answers_stays_text(
    browser: Browser, start_server: Callable[..., Any], pictures: Path, artifact_folder: Path
) -> None:
    def poison(content: dict[str, Any]) -> None:
        content["name"] = content["version"] = HOSTILE
        content["postprocessing"]["labels"] = [HOSTILE + str(each) for each in range(10)]
        content["provenance"] = {"source": {"format": HOSTILE}}

    folder = pictures / "digits"
    shutil.copytree(artifact_folder, folder / "model")
    (folder / "app.py").write_text(APP)
    change_manifest(folder, poison)
    bad = pictures / f"{HOSTILE.replace('/', '')}.png"
    shutil.copy(pictures / "broken.png", bad)
    with browser.open(start_server(folder).url) as page:
        page.wait_for(READY)
        page.choose_files("#files", pictures / "7.png", bad, pictures / "paper.pdf")
        page.wait_for(ANSWERED)
        assert page.text("h1") == HOSTILE
        assert page.text(".best") == f"{HOSTILE}7"
        assert page.texts(".result h3")[1] == bad.name
        assert HOSTILE in page.texts(".bad h3")[-1]
        assert page.run("document.querySelectorAll('main script, img[src=x]').length") == 0
        assert not [url for url in page.requests() if url.endswith("/x")]
        assert not page.events("Runtime.exceptionThrown")


def test_a_model_without_labels_answers_a_table(
    browser: Browser, start_server: Callable[..., Any], tmp_path: Path
) -> None:
    folder = copy_wine(tmp_path / "wine")
    change_manifest(folder, lambda content: content["postprocessing"].update(labels=[]))
    with browser.open(start_server(folder).url) as page:
        page.wait_for(READY)
        page.run("document.querySelector('#row .main').click()")
        page.wait_for(ANSWERED)
        assert page.text("caption") == "output, shape [1, 3]"
        assert sum(map(float, page.texts(".result td"))) == pytest.approx(1, abs=0.02)
        assert page.complaints() == []


def test_steps_of_the_functions_own(browser: Browser, tasting: str) -> None:
    with browser.open(tasting) as page:
        page.wait_for(READY)
        assert page.text("#json-note") == "This function reads requests in a way of its own."
        page.run("document.querySelector('#json .main').click()")
        page.wait_for(ANSWERED)
        assert page.text("#status") == "answered"
        assert page.complaints() == []


def test_the_address_says_which_model(browser: Browser, wine: str) -> None:
    with browser.open(f"{wine}/?model=wine&version=1&other=2") as page:
        page.wait_for(READY)
        page.run("document.querySelector('#row .main').click()")
        page.wait_for(ANSWERED)
        assert f"{wine}/predict?model=wine&version=1" in page.requests()
    with browser.open(f"{wine}/?version=9") as page:
        page.wait_for("document.querySelector('#failure .bad')")
        assert problem(page)["Reference"] == "version-unknown"


def test_a_menu_leads_to_the_other_models(
    browser: Browser, start_server: Callable[..., Any], repository_folder: Path, pictures: Path
) -> None:
    url = start_repository(start_server, repository_folder)
    names = ["digits version 1", "digits version 2", "wine version 1"]
    with browser.open(url) as page:
        page.wait_for(MENU)
        assert page.run("document.activeElement === document.body")  # it came late, and took no focus
        page.press("Tab")
        assert page.run(FOCUS) == ["Other models", True]
        page.press("Enter")
        assert page.texts("nav a") == names
        assert page.texts("nav [aria-current=page]") == ["digits version 2"]
        for name in names:
            page.press("Tab")
            assert page.run(FOCUS) == [name, True]
        page.press("Enter")
        page.wait_for(f"location.search === '?model=wine&version=1' && {READY} && {MENU}")
        assert (page.text("h1"), page.texts("nav details[open]")) == ("wine", [])
        page.run("document.querySelector('#row .main').click()")
        page.wait_for(ANSWERED)
        assert f"{url}/predict?model=wine&version=1" in page.requests()
        page.click("nav summary")
        assert page.texts("nav [aria-current=page]") == ["wine version 1"]
        page.click("nav li:first-child a")
        page.wait_for(f"location.search === '?model=digits&version=1' && {READY} && {MENU}")
        page.choose_files("#files", pictures / "0.png")
        page.wait_for(ANSWERED)
        assert page.text(".best") == "0"  # and not what version 2 calls it
        answer = run_snippet(page, "tritonclient", pictures)
        assert best_label(answer) == "0"
        assert page.complaints() == []


def test_the_menu_is_there_when_a_model_is_not(
    browser: Browser, start_server: Callable[..., Any], repository_folder: Path
) -> None:
    (repository_folder / "model" / "wine" / "1" / "model.tflite").write_bytes(b"no model")
    url = start_repository(start_server, repository_folder)
    with browser.open(f"{url}/?model=wine&version=1") as page:
        page.wait_for(f"document.querySelector('#failure .bad') && {MENU}")
        page.click("nav summary")
        assert page.texts("nav [aria-current=page]") == ["wine version 1, not ready"]
        page.click("nav li:nth-child(2) a")
        page.wait_for(f"location.search === '?model=digits&version=2' && {READY}")


@pytest.mark.parametrize("dark", [False, True])
def test_the_menu_fits_a_phone(
    browser: Browser, start_server: Callable[..., Any], repository_folder: Path, *, dark: bool
) -> None:
    with browser.open(start_repository(start_server, repository_folder), NARROW, dark=dark) as page:
        page.wait_for(MENU)
        page.click("nav summary")
        assert page.run("document.documentElement.scrollWidth") == NARROW
        assert [each for each in page.run(CONTRAST) if each[0] < 4.5] == []


def test_one_model_has_no_menu(browser: Browser, digits: str) -> None:
    with browser.open(digits) as page:
        page.wait_for(READY)
        page.wait_for(
            "performance.getEntriesByName(new URL('v2/repository/index', location).href).length"
        )
        assert not page.run(MENU)


@pytest.mark.parametrize("path", ["/prod", "/prod/"])
def test_at_a_stage_of_lambdas(
    browser: Browser,
    pictures: Path,
    artifact_folder: Path,
    lambda_context: Callable[[], Any],
    path: str,
) -> None:
    function = Function(str(artifact_folder.parent / "app.py"), environ={})
    with serve_stage(function, lambda_context) as url, browser.open(url + path) as page:
        page.wait_for(READY)
        page.choose_files("#files", pictures / "7.png")
        page.wait_for(ANSWERED)
        assert page.text(".best") == "7"
        assert f"curl {url}/prod/predict " in page.text("#snippet-curl")
        answer = run_snippet(page, "curl", pictures)
        assert json.loads(answer)["predictions"][0]["label"] == "7"
        assert page.complaints() == []


def test_a_refusal_of_the_gateways_is_shown_too(
    browser: Browser, pictures: Path, artifact_folder: Path, lambda_context: Callable[[], Any]
) -> None:
    function = Function(str(artifact_folder.parent / "app.py"), environ={})
    with serve_stage(function, lambda_context) as url, browser.open(f"{url}/prod/") as page:
        page.wait_for(READY)
        (pictures / "large.png").write_bytes(bytes(GATEWAY_BYTES + 1))
        page.choose_files("#files", pictures / "large.png")
        page.wait_for(ANSWERED)
        assert page.text(".bad h3") == "Request Entity Too Large"
        assert problem(page)["Hint"] == "Send a smaller picture."
        assert problem(page)["Status"] == "413"


def golden_label() -> str:
    """What the digits function reads in its golden input."""
    function = Function(str(ROOT / "functions" / "digits" / "app.py"), environ={})
    predictor = function.require_predictor()
    (golden,) = predictor.artifact.golden_inputs
    fields: Any = predictor.predict(golden, "application/octet-stream").fields
    return str(fields["predictions"][0]["label"])


def problem(page: Page) -> dict[str, str]:
    """What the first error on the page says, by the words before it."""
    return dict(zip(page.texts(".bad dt"), page.texts(".bad dd"), strict=True))


def paste(page: Page, selector: str, text: str) -> None:
    page.run(f"""(() => {{
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", {json.dumps(text)});
      const event = new ClipboardEvent("paste", {{clipboardData, bubbles: true, cancelable: true}});
      document.querySelector({json.dumps(selector)}).dispatchEvent(event);
    }})()""")


def best_label(printed: str) -> str:
    """The label that a snippet printed first: in JSON, or as `score:index:label`."""
    classes = re.search(r"b'[\d.e-]+:\d+:(.*?)'", printed)
    return classes[1] if classes else str(json.loads(printed)["predictions"][0]["label"])


def run_snippet(page: Page, language: str, folder: Path) -> str:
    """Runs what the page shows in a file's folder; gives what it printed."""
    code: str = page.run(f"document.getElementById('snippet-{language}').textContent")
    done = subprocess.run(
        PROGRAMS[language],
        input=code,
        cwd=folder,
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def start_repository(start_server: Callable[..., Any], folder: Path) -> str:
    """The address of a server that has several models."""
    return str(start_server(folder, **read_config(folder / "function.toml").environment()).url)


def copy_wine(target: Path) -> Path:
    shutil.copytree(WINE / "model", target / "model")
    shutil.copy(WINE / "app.py", target)
    return target


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "model" / "model.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
