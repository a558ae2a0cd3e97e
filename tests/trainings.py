"""What tests tell a training whose report they do not look at: few draws behind an interval, and no plots."""

QUICK = ("--resamples", "20", "--no-plots")
