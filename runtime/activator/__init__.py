"""Functions that scale from zero on the first request and back to zero when idle.

What Knative's activator, autoscaler and queue-proxy are to a Service, for one machine: every function has an
address that always answers (`proxy`), and a Revision behind it that starts and stops instances (`revision`,
`instance`). A request has Knative's default timeout. An instance that fails the liveness probe of its
func.yaml three times in a row is stopped and replaced, as Kubernetes would do it. The `target` and
`utilization` of a func.yaml are not imitated: instances are filled one by one.
"""
