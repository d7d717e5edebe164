"""What models write and other converters get wrong: the text and the entities that come out."""

from __future__ import annotations

import pytest

from duihua.telegram.text import Formatted, render
from tests.telegram.checking import check


def written(message: Formatted) -> str:
    """The text with its entities as tags, to be read by people."""
    data = message.text.encode("utf-16-le")
    tags: list[tuple[int, int, str]] = []
    for i, it in enumerate(message.entities):
        more = f" {it.url or it.language}" if it.url or it.language else ""
        tags.append((it.offset, i + 1, f"<{it.type}{more}>"))
        tags.append((it.offset + it.length, -i - 1, f"</{it.type}>"))
    for place, _, tag in sorted(tags, reverse=True):
        data = data[: 2 * place] + tag.encode("utf-16-le") + data[2 * place :]
    return data.decode("utf-16-le")


LINES = {
    "bold between Chinese": ("这是**重点**内容", "这是<bold>重点</bold>内容"),
    "bold with Chinese stops": ("**注意：**请看", "<bold>注意：</bold>请看"),
    "bold in quotation marks": ("他说**“你好”**然后", "他说<bold>“你好”</bold>然后"),
    "bold in book marks": ("读**《红楼梦》**吧", "读<bold>《红楼梦》</bold>吧"),
    "bold before a word": ("**Note:**text", "<bold>Note:</bold>text"),
    "bold number": ("共**3**个", "共<bold>3</bold>个"),
    "italic between Chinese": ("这*很*好", "这<italic>很</italic>好"),
    "both": ("***很好***吧", "<italic><bold>很好</bold></italic>吧"),
    "strike": ("~~删除~~了", "<strikethrough>删除</strikethrough>了"),
    "a range is no strike": ("3~5天, 7~9天", "3~5天, 7~9天"),
    "bold in italic": ("*a **b** c*", "<italic>a <bold>b</bold> c</italic>"),
    "nested same": ("**a **b** c**", "<bold>a b c</bold>"),
    "unclosed bold": ("**重点", "**重点"),
    "stars alone": ("** 重点 **", "** 重点 **"),
    "generics": ("List<int> 和 Map<K, V>", "List<int> 和 Map<K, V>"),
    "a tag": ("用 <div> 和 </div>", "用 <div> 和 </div>"),
    "a tag on its line": ("<div>\n**b**\n</div>", "<div>\n<bold>b</bold>\n</div>"),
    "a comment": ("a <!-- b --> c", "a <!-- b --> c"),
    "a placeholder": ("--name=<your name>", "--name=<your name>"),
    "dunder": ("__init__ 和 __main__.py", "__init__ 和 __main__.py"),
    "bold by underscores": ("__很 重要__ 的", "<bold>很 重要</bold> 的"),
    "times": ("2*3*4 = 24", "2*3*4 = 24"),
    "times with spaces": ("2 * 3 * 4", "2 * 3 * 4"),
    "powers": ("x**2 + y**2", "x**2 + y**2"),
    "arguments": ("f(*args, **kwargs)", "f(*args, **kwargs)"),
    "two functions": ("f(*args, **kwargs) g(*args, **kwargs)", "f(*args, **kwargs) g(*args, **kwargs)"),
    "snake": ("snake_case_name 中_文_字", None),
    "a glob": ("ls *.py *.txt", "ls *.py *.txt"),
    "pointers": ("int *a, *b;", "int *a, *b;"),
    "escapes": (r"\*不是\* \_x\_", "*不是* _x_"),
    "a path": (r"C:\Users\me", r"C:\Users\me"),
    "entities": ("a &lt;b&gt; &amp; c", "a <b> & c"),
    "link": ("[文](https://a.com/x)", "<text_link https://a.com/x>文</text_link>"),
    "link with parentheses": (
        "[维基](https://zh.wikipedia.org/wiki/A_(B))。",
        "<text_link https://zh.wikipedia.org/wiki/A_(B)>维基</text_link>。",
    ),
    "bold link": (
        "**[a](https://a.com)**",
        "<bold><text_link https://a.com>a</text_link></bold>",
    ),
    "bold in link": (
        "[a **b**](https://a.com)",
        "<text_link https://a.com>a <bold>b</bold></text_link>",
    ),
    "code in link": ("[`a`](https://a.com)", "<text_link https://a.com>a</text_link>"),
    "relative link": ("[a](./b.md)", "a (./b.md)"),
    "host without dot": ("[a](http://localhost:80)", "a (http://localhost:80)"),
    "script": ("[a](javascript:alert(1))", "[a](javascript:alert(1))"),
    "link to a person": ("请 [小安](tg://user?id=5) 看看", "请 小安 看看"),
    "link to the app": ("[a](TON://x) ![b](tg:resolve?domain=x)", "a b"),
    "link by other ways": ("[a](mailto:a@b.co) [b](ftp://b.co)", "a (mailto:a@b.co) b (ftp://b.co)"),
    "link without text": ("[](https://a.com)", "https://a.com"),
    "bare address": ("见 https://a.com/__x__/y_z_?q=*a* 吧", "见 https://a.com/__x__/y_z_?q=*a* 吧"),
    "bold address": ("**https://a.com**", "<bold>https://a.com</bold>"),
    "angle address": ("<https://a.com/x_y_>", "https://a.com/x_y_"),
    "reference": ("[a]: https://a.com", "[a]: https://a.com"),
    "brackets": ("a[0] = b[i](j)", None),
    "image": ("![图](https://a.com/x.png)", "<text_link https://a.com/x.png>图</text_link>"),
    "image without name": ("![](https://a.com/x.png)", "https://a.com/x.png"),
    "image in a link": (
        "[![a](https://b.com/i.png)](https://a.com)",
        "<text_link https://a.com>a</text_link>",
    ),
    "code": ("用 `x < y` 吧", "用 <code>x < y</code> 吧"),
    "code with a backtick": ("`` a`b ``", "<code>a`b</code>"),
    "code in bold": ("**a `b` c**", "<bold>a</bold> <code>b</code> <bold>c</bold>"),
    "stars in code": ("`**kwargs`", "<code>**kwargs</code>"),
    "unclosed code": ("a `b c", "a `b c"),
    "emoji": ("👨‍👩‍👧 **家**😀`x`", "👨‍👩‍👧 <bold>家</bold>😀<code>x</code>"),
    "footnote": ("文[^1]。\n\n[^1]: 注", "文[1]。\n\n[1] 注"),
    "price": ("$5 和 $10, $395k-$400k", "$5 和 $10, $395k-$400k"),
    "shell": ("echo $HOME/bin:$PATH", "echo $HOME/bin:$PATH"),
    "math": ("$x^2 + y_1$ 是 $O(n)$", "x² + y₁ 是 O(n)"),
    "math in brackets": (r"\(\alpha \le \beta\)", "α ≤ β"),
    "fraction": (r"\[\frac{a+b}{2c}\]", "(a+b)/2c"),
    "root": (r"$\sqrt{x+1}$ $\sqrt[3]{8}$", "√(x+1) ∛8"),
    "sum": (r"$\sum_{i=1}^{n} i$", "∑ᵢ₌₁ⁿ i"),
    "words in math": (r"$\text{速度} = \mathbb{R}$", "速度 = ℝ"),
    "math nobody can write": (r"$\foo{x}^y$", r"<code>\foo{x}^y</code>"),
    "index of nothing": ("$x_ _ab$", "<code>x_ _ab</code>"),
    "heading": ("## 标题 `x`", "<bold>标题</bold> <code>x</code>"),
    "no heading": ("#标签 #tag", "#标签 #tag"),
    "no setext": ("标题\n===\n文", "标题\n===\n文"),
    "dashes are a rule": ("文\n---\n字", "文\n———\n字"),
    "soft break": ("一\n二", "一\n二"),
    "indented is no code": ("    四个空格", "四个空格"),
    "controls": ("a\x00\x1b[31mb\u202e\u2066c", "a[31mbc"),
    "lone surrogate": ("a\ud83db", "a\ufffdb"),
    "pair": ("\ud83d\ude00", "😀"),
    "line ends": ("a\r\nb\rc", "a\nb\nc"),
    "empty": ("", ""),
    "blank": (" \n\n ", ""),
}

BLOCKS = {
    "fence": ("```python\nx = 1\n```", "<pre python>x = 1</pre>"),
    "unclosed fence": ("```js\nlet x\n\n**a**", "<pre js>let x\n\n**a**</pre>"),
    "fence in a fence": ("````\n```\nx\n```\n````", "<pre>```\nx\n```</pre>"),
    "empty fence": ("a\n```\n```\nb", "a\nb"),
    "fence of tildes": ("~~~\na\n~~~", "<pre>a</pre>"),
    "tabs": ("```\n\tx\n```", "<pre>    x</pre>"),
    "list": ("- 一\n- 二", "• 一\n• 二"),
    "list after text": ("文\n* 一\n* 二", "文\n• 一\n• 二"),
    "numbers": ("1. 一\n1. 二\n\n1. 三", "1. 一\n2. 二\n\n3. 三"),
    "numbers from seven": ("7) 一\n8) 二", "7. 一\n8. 二"),
    "nested": ("- a\n  - b\n    1. c\n- d", "• a\n    • b\n        1. c\n• d"),
    "loose": ("- a\n\n  b\n\n- c", "• a\n\n    b\n\n• c"),
    "code in a list": (
        "1. a\n   ```py\n   x\n     y\n   ```\n2. b",
        "1. a\n<pre py>x\n  y</pre>\n2. b",
    ),
    "code in a list at the margin": (
        "1. a\n   ```py\ndef f():\n    x\n   ```\n2. b",
        "1. a\n<pre py>def f():\n    x</pre>\n2. b",
    ),
    "tasks": ("- [ ] 一\n- [x] 二", "☐ 一\n☑ 二"),
    "no list": ("2020. 一年", None),
    "quote": ("> 一\n> 二\n\n三", "<blockquote>一\n二</blockquote>\n\n三"),
    "quote in a quote": ("> 一\n> > 二", "<blockquote>一\n> 二</blockquote>"),
    "list in a quote": ("> - 一\n> - 二", "<blockquote>• 一\n• 二</blockquote>"),
    "code in a quote": (
        "> 一 `x`\n> ```\n> y\n> ```\n> 二",
        "<blockquote>一 x</blockquote>\n<pre>y</pre>\n<blockquote>二</blockquote>",
    ),
    "table": (
        "| 名 | n |\n|---|--:|\n| 苹果 | **1** |\n| x | 22 |",
        "<pre>名   │  n\n─────┼───\n苹果 │  1\nx    │ 22</pre>",
    ),
    "table after text": ("文\n| a | b |\n|---|---|\n| 1 | 2 |", "文\n<pre>a │ b\n──┼──\n1 │ 2</pre>"),
    "wide table": (
        "| 名称 | 说明 |\n|---|---|\n| 甲 | " + "很长的说明" * 4 + " |\n",
        "<italic>名称 │ 说明</italic>\n\n<bold>甲</bold>\n说明: " + "很长的说明" * 4,
    ),
    "table with links": (
        "| 名 | 址 |\n|---|---|\n| 甲 | [a](https://a.com) |",
        "<italic>名 │ 址</italic>\n\n<bold>甲</bold>\n址: <text_link https://a.com>a</text_link>",
    ),
    "pipes are no table": ("a | b\nc | d", "a | b\nc | d"),
    "math block": ("文\n$$\nE = mc^2\n$$\n字", "文\nE = mc²\n字"),
    "aligned": ("\\[\n\\begin{aligned}\na &= b \\\\\n- c &= d\n\\end{aligned}\n\\]", "a = b\n− c = d"),
    "unclosed math": ("$$\na = b\n\n文", "$$\na = b\n\n文"),
    "math nobody can write": ("$$\\overbrace{a}$$", "<pre latex>\\overbrace{a}</pre>"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line(name: str) -> None:
    source, expected = LINES[name]
    message = render(source)
    assert check(message, sent=False) == []
    assert written(message) == (source if expected is None else expected)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block(name: str) -> None:
    source, expected = BLOCKS[name]
    message = render(source)
    assert check(message, sent=False) == []
    assert written(message) == (source if expected is None else expected)
