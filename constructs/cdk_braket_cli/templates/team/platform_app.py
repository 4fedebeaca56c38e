"""The app of the platform team: `npx cdk deploy --app "python platform_app.py"`."""

from aws_cdk import App
from platform_stack import PlatformStack

app = App()
PlatformStack(app, "PROJECT-Platform")
app.synth()
