"""Binomial diffusion: the paper's mathematics, with no network in it.

    schedules    how fast bits are lost: ᾱ_t, β_t                               Eq. 4, 5
    kernel       noise flips bits, and Bayes' rule                              Eq. 3, 7, 8
    loss         what training makes small                                       §2
    sampling     from noise back to a roll                                      Algorithm 1
    prompting    what is known and what is free                                 §8, Fig. 5-8
    sliding      pieces that are longer than the window
    likelihood   how many nats a piece costs at most

Chapters: 03 *The binomial kernel* to 05, 08 *Sampling* to 10, 12 to 14, 16, 17.
"""
