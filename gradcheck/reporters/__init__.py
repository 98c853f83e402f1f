"""Reports as text: each module turns results into a string and does no input or output."""
