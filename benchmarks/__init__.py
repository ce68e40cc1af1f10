"""The benchmark suites: ``fastnn bench NAME`` from a checkout.  Not part of the wheel.  README.md is the guide."""
