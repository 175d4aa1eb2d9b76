"""The report of a run: a page, its numbers as JSON and Markdown, and two runs side by side."""

from tradewright.backtest.report.page import Provenance, report_page, write_report

__all__ = ["Provenance", "report_page", "write_report"]
