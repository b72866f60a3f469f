"""What one does on the site: menus, frames, predictions, themes, search, figures to play with."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.long]


def menus(tab: Page, address: str, lesson: str, place: int = 0) -> Locator:
    """A figure with menus, drawn."""
    tab.goto(f"{address}/{lesson}.html")
    box = tab.locator(".menus").nth(place)
    box.scroll_into_view_if_needed()
    box.locator("[data-drawn]").wait_for()
    return box


def test_a_slider_changes_figure_table_and_sentence(tab: Page, address: str) -> None:
    box = menus(tab, address, "03_contrastive_loss")
    figure = box.locator(".figure")
    before = figure.get_attribute("aria-label"), box.locator("table").text_content()
    expect(figure.get_by_text("τ = 0.5)")).to_be_visible()
    slider = box.get_by_label("tau")
    slider.focus()
    slider.press("ArrowRight")
    expect(figure.get_by_text("τ = 1)")).to_be_visible()
    assert figure.get_attribute("aria-label") != before[0]
    assert box.locator("table").text_content() != before[1]
    assert slider.get_attribute("aria-valuetext") == "1.0"
    assert box.get_by_role("status").text_content() == figure.get_attribute("aria-label")
    box.get_by_label("classes").press("ArrowRight")  # and the temperature stays
    expect(figure.locator(".legendtext", has_text="class 4")).to_be_visible()
    expect(figure.get_by_text("τ = 1)")).to_be_visible()


def test_too_many_choices_are_varied_one_at_a_time(tab: Page, address: str) -> None:
    box = menus(tab, address, "10_full_comparison")
    expect(box.get_by_text("one choice at a time")).to_be_visible()
    net, methods = (
        box.locator(f"label:has(span:text-is('{label}')) select") for label in ("net", "methods")
    )
    net.select_option("vgg")
    before = box.locator("table").text_content()
    methods.select_option("Early Exit")
    expect(net).to_have_value("0")  # back at the default, convnet
    assert box.locator("table").text_content() != before


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_figure_with_frames_is_played_or_only_moved_by_hand(
    tab: Page, address: str, motion: str
) -> None:
    tab.emulate_media(reduced_motion=motion)
    box = menus(tab, address, "11_pipelined_training")
    slider = box.locator(".drawing + .choices input")
    end = slider.input_value()
    widths = "box => [...box.querySelectorAll('.bars path')].map(p => p.getBBox().width).join()"
    drawn = box.evaluate(widths)
    slider.press("Home")
    tab.wait_for_function(f"([box, drawn]) => ({widths})(box) !== drawn",
                          arg=[box.element_handle(), drawn])  # fmt: skip
    assert slider.input_value() == "0"
    play = box.get_by_role("button", name="Play")
    if motion == "reduce":
        assert play.count() == 0
        return
    play.press("Enter")
    expect(slider).to_have_value("1")
    box.get_by_role("button", name="Pause").press("Enter")
    assert int(slider.input_value()) < int(end)


def test_a_prediction_is_kept_and_stands_beside_what_came_out(tab: Page, address: str) -> None:
    tab.goto(f"{address}/01_one_network_four_ways.html")
    answer = tab.locator(".answered").nth(1)
    expect(answer.locator("p").last).not_to_be_visible()  # folded
    expect(answer.locator(".figure")).not_to_be_visible()  # and what bears it out with it
    choice = tab.locator(".asked").nth(1).locator("input").last
    choice.check()
    guess = choice.get_attribute("value")
    tab.reload()
    expect(choice).to_be_checked()
    answer.locator("summary").first.press("Enter")
    expect(answer.locator(".guess")).to_have_text(f"You predicted: {guess}.")
    answer.locator(".figure").scroll_into_view_if_needed()
    expect(answer.locator(".figure svg").first).to_be_visible(timeout=30_000)


def test_the_quiz_folds_its_answers(tab: Page, address: str) -> None:
    tab.goto(f"{address}/quiz.html")
    answers = tab.locator(".answered")
    assert answers.count() == tab.locator(".asked").count() == 20
    assert not any(answer.get_attribute("open") for answer in answers.all())
    first = tab.locator(".asked").first.locator("input").first
    first.check()
    answers.first.locator("summary").click()
    guess = first.get_attribute("value")
    expect(answers.first.locator(".guess")).to_have_text(f"You predicted: {guess}.")
    assert answers.first.locator("li").count() == 3


def test_the_theme_button_changes_page_and_figures(tab: Page, address: str) -> None:
    box = menus(tab, address, "03_contrastive_loss")
    ink = "box => getComputedStyle(box.querySelector('.legendtext')).fill"
    light = box.evaluate(ink)
    page = "getComputedStyle(document.body).backgroundColor"
    before = tab.evaluate(page)
    tab.locator(".theme-toggle:visible").click()  # from auto, with a light system, to dark
    tab.wait_for_function(
        f"([box, ink]) => ({ink})(box) !== ink", arg=[box.element_handle(), light]
    )
    assert tab.evaluate(page) != before
    tab.evaluate("localStorage.clear()")


@pytest.mark.parametrize("word", ["temperature", "BatchNorm", "load_run"])
def test_search_finds_a_word(tab: Page, address: str, word: str) -> None:
    tab.goto(f"{address}/index.html")
    tab.get_by_placeholder("Search").fill(word)
    tab.get_by_placeholder("Search").press("Enter")
    tab.locator("#search-results li a").first.wait_for()
    tab.locator("#search-results li a").first.click()
    assert word.lower() in tab.locator("article").text_content().lower()


def test_a_figure_to_play_with_has_a_model_without_a_kernel(tab: Page, address: str) -> None:
    tab.goto(f"{address}/01_one_network_four_ways.html")
    box = tab.locator(".played").first
    box.evaluate("e => e.scrollIntoView()")
    button = box.get_by_role("button")
    expect(button).to_have_text("clicked 3")
    button.press("Enter")
    button.click()
    expect(button).to_have_text("clicked 5")
    assert box.get_attribute("data-heard") == "x"  # off is off


def test_a_lessons_network_is_stepped_through(tab: Page, address: str) -> None:
    tab.goto(f"{address}/01_one_network_four_ways.html")
    box = tab.locator(".played").filter(has_text="Step forward")
    tab.locator(".played").nth(1).evaluate("e => e.scrollIntoView()")
    told = box.get_by_role("status")
    first = told.inner_text()
    box.get_by_role("button", name="Step forward").press("Enter")
    expect(told).not_to_have_text(first)


def test_the_opening_figure_is_cut_by_mouse_and_keyboard(tab: Page, address: str) -> None:
    tab.goto(f"{address}/index.html")
    box = tab.locator(".played")
    told = box.get_by_role("status")
    expect(told).to_contain_text("backpropagation")
    box.get_by_role("switch").nth(1).click()
    expect(told).to_contain_text("2 pieces with a loss each. The longest gradient runs through 3")
    for place in (0, 2, 3):
        box.get_by_role("switch").nth(place).press(" ")
    expect(told).to_contain_text("5 pieces with a loss each. The longest gradient runs through 1")
    assert box.locator(".flow").count() == 5
    box.locator("summary").press("Enter")
    assert box.locator("tr").all_inner_texts()[1:] == [f"{k}\t{k}\t1" for k in range(1, 6)]


def test_the_side_bar_opens_and_closes_by_keyboard(tab: Page, address: str) -> None:
    tab.set_viewport_size({"width": 390, "height": 800})
    tab.goto(f"{address}/glossary.html")
    link = tab.locator(".sidebar-tree a").first
    expect(link).not_to_be_visible()
    tab.get_by_role("button", name="All pages").press("Enter")
    expect(link).to_be_visible()
    tab.keyboard.press("Escape")
    expect(link).not_to_be_visible()
