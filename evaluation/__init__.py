"""What scores are worth: ranking, money, intervals. For all who judge scores, offline or live; knows no trainer."""
