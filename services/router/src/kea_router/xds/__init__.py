"""The xDS control plane: incremental aggregated discovery (delta ADS), from the specification.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
"""
