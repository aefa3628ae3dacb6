"""Why a record says what it says: the words that moved each entity, assertion and class.

    questions   a record → what is asked of the encoder, as numbers; its answers → words of the note
    targets     a window's hidden states → the score of each thing asked, in log-odds
    trunk       a window at many points at once: embeddings, words masked, attention
    gradients, rollout, perturbation   the methods: a score → the weight of every token
    explain     all of it for a note, in one process
    asking, serving   the same between a worker and a running engine
    deletion    whether the words that were named matter more than others

`explanation`, `questions` and `asking` import no torch: they are the worker's half.
"""
