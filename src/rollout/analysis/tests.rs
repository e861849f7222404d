mod judging;
mod ranking;
