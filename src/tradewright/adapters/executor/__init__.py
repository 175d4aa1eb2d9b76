"""Work done elsewhere: in processes of this machine, or by the workers of a Dask cluster."""

from tradewright.adapters.executor.processes import LocalExecutor

__all__ = ["LocalExecutor"]
