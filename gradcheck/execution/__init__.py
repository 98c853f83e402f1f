"""Where ops are checked: in processes of our own, in any executor, or on a cluster.

What travels is data: a `data.Chunk` of tasks one way, an `data.Answer` for each the other way.
"""
