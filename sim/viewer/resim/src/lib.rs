//! The neighbourhood of the playhead, printed again.
