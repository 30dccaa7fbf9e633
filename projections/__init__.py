"""Questions answered from facts: pure folds for any date, as known on any date."""
