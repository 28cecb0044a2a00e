"""What a page looks like, measured in the browser: colours against what lies behind them, what shows, what does not."""

from __future__ import annotations

from typing import Any

from tests.soak.browser import Tab

# WCAG 2.2, 1.4.3; for large letters too, of which 3 would be enough.
LEAST_CONTRAST = 4.5
_CONTRASTS = """(() => {
  // Every way to write a colour, as the browser paints it.
  const pen = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgba = text => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = text;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const behind = element => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      layers.push(rgba(getComputedStyle(each).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    const dark = matchMedia('(prefers-color-scheme: dark)').matches
      && getComputedStyle(document.documentElement).colorScheme.includes('dark');
    return layers.reverse().reduce((below, top) => over(top, below), dark ? [18, 18, 18, 1] : [255, 255, 255, 1]);
  };
  const light = colour => {
    const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = colour.slice(0, 3).map(v => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const below = behind(element), style = getComputedStyle(element);
    const ink = over(rgba(element.closest('svg') ? style.fill : style.color), below);
    const [a, b] = [light(ink), light(below)].sort((x, y) => y - x);
    found.push({text: text.slice(0, 60), ratio: Math.round((a + 0.05) / (b + 0.05) * 100) / 100});
  }
  return found;
})()"""


def contrasts(tab: Tab) -> list[dict[str, Any]]:
    """Every text that shows, with the contrast of its colour to the colours behind it."""
    return tab.value(_CONTRASTS)


def pale(tab: Tab) -> list[dict[str, Any]]:
    """The texts that are hard to read; fails on a page without any text."""
    found = contrasts(tab)
    assert found
    return [each for each in found if each["ratio"] < LEAST_CONTRAST]


def box(tab: Tab, selector: str) -> list[float]:
    """Width and height that each element takes up, summed."""
    return tab.value(
        f"[...document.querySelectorAll({selector!r})].map(e => e.getBoundingClientRect())"
        ".reduce((sum, r) => [sum[0] + r.width, sum[1] + r.height], [0, 0])"
    )
