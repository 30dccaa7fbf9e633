"""Checks of what a log promises that can be pointed at any store; the library uses none of it."""
