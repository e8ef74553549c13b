-- What a running server would have: statistics for the planner.
RESET ROLE;
RESET search_path;
