"""Kolla-Ansible, which deploys the new cloud."""
