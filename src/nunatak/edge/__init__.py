"""What the ingress and the instances share at their edges: HTTP connections, the link, admission.

Knows neither of them: whoever uses it hands in a `Handler`.
"""
