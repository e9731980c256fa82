"""What users' scripts import of AWS's sagemaker-training, for images that have it on AWS.

A `sagemaker-training` that is really installed goes before this one.
"""
