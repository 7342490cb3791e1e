"""Analysis: what the records say of a shadow, and what follows from it.

- `analysis`: everything about one shadow, as one struct
- `period`: which stretch of time counts
- `routes`: books and agreement of each route
- `account`: the closed books and coverage
- `agreement`: agreement, its intervals, and the conservative figure
- `latency`: both sides' quantiles and their paired difference
- `errors`: both sides' error rates as a 2 by 2 table
- `differences`: where the predictions differ, and what of it is noise
- `accuracy`: both sides against truths that came later
- `criteria`: what a shadow must meet to be promoted
- `judging`: each criterion held against the figures
- `decision`: promote, hold or not enough data
"""
