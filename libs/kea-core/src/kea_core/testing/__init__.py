"""What tests of services share. Ships with kea-core, so that every service tests the same way."""
