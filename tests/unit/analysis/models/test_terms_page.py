"""What is read out of a page of terms, and what is not."""

from __future__ import annotations

from headscope.analysis.models.terms_page import text_of

PAGE = """<html><nav>Menu</nav><script>if (a < b) say("<article")</script>
<article class="a">
  <h1>Terms &amp; more</h1><button>Copy</button>
  <p title="x">You may <b>not</b>
  do <a href="#here">this</a>.<!-- <p>old -->
  <style>p { color: red }</style>
  <pre>kept</pre>
  <ul><li>One</li><li>Two<br>lines</li></ul>
</article><footer>Foot</footer></html>"""


def test_only_the_article_is_read_block_by_block_without_what_a_reader_does_not_see() -> None:
    lines = [" ".join(line.split()) for line in text_of(PAGE).splitlines()]
    assert [line for line in lines if line] == ["Terms & more", "You may not do this. kept", "One", "Two", "lines"]
