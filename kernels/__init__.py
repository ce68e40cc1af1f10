"""The kernels: everything that touches numbers.  Installed as ``fastnn.kernels``; never imports fastnn."""
