"""The text model inside a cluster: traced by eland, uploaded, deployed, verified.

state        what lies there: the model as the cluster describes it, and its deployment
trace        the TorchScript of a text tower, kept until the cluster's answers are verified
upload       its parts, its vocabulary; goes on where a broken upload ended
deployment   starting, waiting, stopping, deleting
inference    texts to vectors there, held against the vectors made here
arrangement  all of these in order, doing only what is missing
failures     what can go wrong, and what to do about it
"""
